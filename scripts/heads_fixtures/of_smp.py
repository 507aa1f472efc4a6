"""segmentation_models_pytorch's FPN on timm's GhostNetV2 1.0x."""

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from converters.ghostnet import Architecture
from originals.of_smp import Quarter, fpn

from . import segmented

CLASSES = 40
SIDE = 64
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def network() -> torch.nn.Module:
    return segmented.fill(fpn(Architecture("v2", 100), CLASSES))


def pixels(picture: np.ndarray, dtype: torch.dtype) -> tuple[torch.Tensor, tuple[int, int]]:
    """The picture with a short side of 64 pixels, normalised, padded to multiples of 32; and its size in there."""
    h, w = picture.shape[:2]
    scale = SIDE / min(h, w)
    size = int(h * scale + 0.5), int(w * scale + 0.5)
    small = Image.fromarray(picture).resize(size[::-1], Image.Resampling.BILINEAR)
    x = torch.from_numpy(np.array(small)).permute(2, 0, 1).to(dtype) / 255
    mean, std = (torch.tensor(v, dtype=dtype).view(-1, 1, 1) for v in (MEAN, STD))
    pad = [-side % 32 for side in size]
    return F.pad((x - mean) / std, (0, pad[1], 0, pad[0]))[None], size


def whole() -> dict:
    """Input, logits before the last upsampling, labels."""
    picture, kept, labels = segmented.picture(), {}, []
    for dtype in (torch.float32, torch.float64):
        model = network().to(dtype)
        x, (h, w) = pixels(picture, dtype)
        with torch.no_grad():
            quarter = Quarter(model)(x)
            full = model(x)
            shown = F.interpolate(full[:, :, :h, :w], size=picture.shape[:2], mode="bilinear", align_corners=False)
        labels.append(shown.argmax(1)[0])
        if dtype == torch.float32:
            segmented.keep(kept, x, quarter)
        else:
            segmented.check(quarter, kept)
    segmented.keep_labels(kept, "labels", *labels)
    return kept
