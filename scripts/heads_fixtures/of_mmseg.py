"""mmsegmentation's FPN on timm's narrowest GhostNetV2."""

import numpy as np
import torch

from originals import of_timm
from originals.of_mmseg import SemanticFpn

from . import segmented
from .inputs import NARROW

import mmcv
from mmengine.config import ConfigDict
from mmseg.models.losses import CrossEntropyLoss
from mmseg.models.segmentors import EncoderDecoder
from mmseg.models.utils import resize

CLASSES = 40
SCALE = (384, 96)
WINDOW, STEP = (64, 96), (40, 56)
PYRAMID, CHANNELS = 32, 16
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


class Segmentor(SemanticFpn):
    """The network with what `slide_inference` asks of its segmentor."""

    def __init__(self):
        super().__init__(of_timm.features(NARROW, (1, 2, 3, 4)), CLASSES, PYRAMID, CHANNELS)
        self.test_cfg, self.out_channels = ConfigDict(mode="slide", crop_size=WINDOW, stride=STEP), CLASSES

    def encode_decode(self, x, _):
        return resize(self(x), size=x.shape[2:], mode="bilinear", align_corners=False)


def pixels(picture: np.ndarray, dtype: torch.dtype, scale: tuple[int, int] = SCALE) -> torch.Tensor:
    x = torch.from_numpy(mmcv.imrescale(picture, scale)).permute(2, 0, 1).to(dtype)
    mean, std = (torch.tensor(v, dtype=dtype).view(-1, 1, 1) for v in (MEAN, STD))
    return ((x - mean) / std)[None]


def whole() -> dict:
    """Input, logits, labels by the whole input and by sliding windows."""
    picture, kept, labels, slid = segmented.picture(), {}, [], []
    for dtype in (torch.float32, torch.float64):
        model, x = segmented.fill(Segmentor()).to(dtype), pixels(picture, dtype)
        with torch.no_grad():
            logits, whole = model(x), model.encode_decode(x, None)
            windows = EncoderDecoder.slide_inference(model, x, [{}])
        if dtype == torch.float32:
            segmented.keep(kept, x, logits)
        else:
            segmented.check(logits, kept)
        for full, found in ((whole, labels), (windows, slid)):
            shown = resize(full, size=picture.shape[:2], mode="bilinear", align_corners=False)
            found.append(shown.argmax(1)[0])
    segmented.keep_labels(kept, "labels", *labels)
    segmented.keep_labels(kept, "sliding", *slid)
    return kept


def losses(kept: dict) -> None:
    """Cross entropy of logits by formula, resized to label maps, and its gradients."""
    for name in ("mixed", "none"):
        logits, labels = segmented.logits(CLASSES), segmented.labels(CLASSES, unlabelled=name == "none")
        for average in ("all", "labelled"):
            if (name, average) == ("none", "labelled"):
                continue  # the mean of nothing is not a number there, and 0 here
            x = logits.clone().requires_grad_()
            full = resize(x, size=labels.shape[1:], mode="bilinear", align_corners=False)
            loss = CrossEntropyLoss(avg_non_ignore=average == "labelled")(full, labels, ignore_index=255)
            loss.backward()
            kept[f"{name}/{average}/loss"] = np.array([loss.item()], dtype=np.float32)
            segmented.keep_gradient(kept, f"{name}/{average}/gradient", x.grad)
