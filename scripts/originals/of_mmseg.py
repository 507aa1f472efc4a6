"""mmsegmentation's FPN on timm's maps C2 to C5."""

import torch
from torch import nn

from heads_fixtures import openmmlab  # noqa: F401, the wheel needs its stand-ins first

from mmseg.models.decode_heads import FPNHead
from mmseg.models.necks import FPN

PYRAMID, CHANNELS = 256, 128


class SemanticFpn(nn.Module):
    """`configs/_base_/models/fpn_r50.py` with another backbone: class scores at a quarter of the input's size."""

    def __init__(self, body: nn.Module, classes: int, pyramid: int = PYRAMID, channels: int = CHANNELS) -> None:
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.timm_model = body
        self.neck = FPN(body.feature_info.channels(), pyramid, 4)
        self.decode_head = FPNHead(
            in_channels=[pyramid] * 4, in_index=[0, 1, 2, 3], feature_strides=[4, 8, 16, 32], channels=channels,
            dropout_ratio=0.1, num_classes=classes, norm_cfg=dict(type="BN", requires_grad=True), align_corners=False,
            loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decode_head(self.neck(self.backbone.timm_model(x)))
