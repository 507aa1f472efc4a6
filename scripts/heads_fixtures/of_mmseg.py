"""mmsegmentation's FPN on timm's narrowest GhostNetV2."""

import numpy as np
import torch
from timm.models.ghostnet import _create_ghostnet
from torch import nn

from . import openmmlab, segmented  # noqa: F401, the wheels need their stand-ins first

import mmcv
from mmengine.config import ConfigDict
from mmseg.models.decode_heads import FPNHead
from mmseg.models.losses import CrossEntropyLoss
from mmseg.models.necks import FPN
from mmseg.models.segmentors import EncoderDecoder
from mmseg.models.utils import resize

CLASSES = 40
SCALE = (384, 96)
WINDOW, STEP = (64, 96), (40, 56)
PYRAMID, CHANNELS = 32, 16
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


class Segmentor(nn.Module):
    """`configs/_base_/models/fpn_r50.py` with another backbone and fewer channels."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.timm_model = _create_ghostnet(
            "ghostnetv2_100", width=0.25, version="v2", features_only=True, out_indices=(1, 2, 3, 4)
        )
        self.neck = FPN(self.backbone.timm_model.feature_info.channels(), PYRAMID, 4)
        self.decode_head = FPNHead(
            in_channels=[PYRAMID] * 4, in_index=[0, 1, 2, 3], feature_strides=[4, 8, 16, 32], channels=CHANNELS,
            dropout_ratio=0.1, num_classes=CLASSES, norm_cfg=dict(type="BN", requires_grad=True), align_corners=False,
            loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
        )
        # What `slide_inference` asks of its segmentor.
        self.test_cfg, self.out_channels = ConfigDict(mode="slide", crop_size=WINDOW, stride=STEP), CLASSES

    def forward(self, x):
        return self.decode_head(self.neck(self.backbone.timm_model(x)))

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
