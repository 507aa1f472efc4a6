"""mmsegmentation's FPN on timm's maps C2 to C5, and its DeepLabV3 on the last."""

import torch
from timm.models.ghostnet import GhostBottleneck
from torch import nn

from heads_fixtures import openmmlab  # noqa: F401, the wheel needs its stand-ins first

from mmseg.models.decode_heads import ASPPHead, FPNHead
from mmseg.models.necks import FPN

PYRAMID, CHANNELS, DEEPLAB_CHANNELS = 256, 128, 512
# By output stride: those of configs/deeplabv3/deeplabv3_r50-d8_* and deeplabv3_r101-d16-mg124_*.
DILATIONS = {8: (1, 12, 24, 36), 16: (1, 6, 12, 18)}


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


def dilate(backbone: nn.Module, output_stride: int) -> None:
    """Turns strides that lead beyond `output_stride` into dilations of what stands behind them.

    timm's GhostNets refuse `output_stride`, which mmsegmentation's DeepLabV3 needs of its backbone: this is what timm's
    EfficientNetBuilder does with it for MobileNetV2 and V3.
    """
    reached = 2
    for block in (module for module in backbone.modules() if isinstance(module, GhostBottleneck)):
        before = max(1, reached // output_stride)
        reached *= block.stride
        behind = max(1, reached // output_stride)
        # The stride is that of the convolutions between the two ghost modules, and of the shortcut's first.
        for part, dilation in (
            (block.ghost1, before), (block.conv_dw, before), (block.shortcut, before), (block.ghost2, behind)
        ):
            for conv in part.modules() if part is not None else ():
                if isinstance(conv, nn.Conv2d):
                    conv.dilation = (dilation, dilation)
                    conv.padding = tuple(dilation * (side // 2) for side in conv.kernel_size)
                    if behind > before:
                        conv.stride = (1, 1)


class DeepLabV3(nn.Module):
    """`configs/mobilenet_v2/mobilenet-v2-d8_deeplabv3_4xb4-160k_ade20k-512x512.py` with another backbone.

    Without the auxiliary head, which only training has a use for. Class scores at an eighth or a sixteenth of the
    input's size.
    """

    def __init__(self, body: nn.Module, classes: int, output_stride: int, channels: int = DEEPLAB_CHANNELS) -> None:
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.timm_model = body
        dilate(body, output_stride)
        self.decode_head = ASPPHead(
            in_channels=body.feature_info.channels()[-1], in_index=0, channels=channels,
            dilations=DILATIONS[output_stride], dropout_ratio=0.1, num_classes=classes,
            norm_cfg=dict(type="BN", requires_grad=True), align_corners=False,
            loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decode_head(self.backbone.timm_model(x))
