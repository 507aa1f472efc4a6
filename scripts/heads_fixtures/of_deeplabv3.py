"""mmsegmentation's DeepLabV3 on timm's narrowest GhostNetV2, whose last strides have become dilations."""

import torch

from originals import of_timm
from originals.of_mmseg import DeepLabV3

from . import of_mmseg, segmented
from .inputs import NARROW

from mmseg.models.utils import resize

SCALE = (768, 192)
CLASSES, CHANNELS = 40, 16


def network(output_stride: int) -> DeepLabV3:
    return segmented.fill(DeepLabV3(of_timm.features(NARROW, (4,)), CLASSES, output_stride, CHANNELS))


def whole(output_stride: int) -> dict:
    """Input, logits and labels."""
    picture, kept, labels = segmented.picture(), {}, []
    for dtype in (torch.float32, torch.float64):
        model = network(output_stride).to(dtype)
        x = of_mmseg.pixels(picture, dtype, SCALE)
        with torch.no_grad():
            logits = model(x)
            full = resize(logits, size=x.shape[2:], mode="bilinear", align_corners=False)
        assert logits.shape[2:] == tuple(-(-side // output_stride) for side in x.shape[2:])
        if dtype == torch.float32:
            segmented.keep(kept, x, logits, "logits")
        else:
            segmented.check(logits, kept, "logits")
        shown = resize(full, size=picture.shape[:2], mode="bilinear", align_corners=False)
        labels.append(shown.argmax(1)[0])
    segmented.keep_labels(kept, "labels", *labels)
    return kept
