"""This project's own networks of phone size, restated: the presets `lite` of RetinaNet and of Semantic FPN.

They stand on the ends of the backbone's stages, and their 3x3 convolutions are separable.
"""

import torch
from torch import nn
from torch.nn import functional as F

from converters.ghostnet import Architecture
from originals import of_timm
from peers.heads import RetinaNet, Separable, SeparableNormed, Trunk, topped

STAGE_ENDS = (2, 4, 6, 8)
DETECTOR, PYRAMID, CHANNELS = 128, 128, 64


def retinanet(a: Architecture, classes: int) -> nn.Module:
    """Logits of all levels, then differences of all levels."""
    return RetinaNet(STAGE_ENDS[1:], DETECTOR, classes, True, of_timm.classifier(a, 0))


class ConvModule(nn.Module):
    """A separable convolution, a norm and a ReLU under mmsegmentation's names."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv, self.bn = Separable(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn(self.conv(x)))


def named(conv: nn.Module) -> nn.Module:
    """A convolution under `conv`."""
    holder = nn.Module()
    holder.conv = conv
    return holder


class SemanticFpn(nn.Module):
    """Class scores at a quarter of the input's size."""

    def __init__(self, a: Architecture, classes: int) -> None:
        super().__init__()
        self.backbone, self.neck, self.decode_head = nn.Module(), nn.Module(), nn.Module()
        self.backbone.timm_model = Trunk(STAGE_ENDS, of_timm.classifier(a, 0))
        widths = self.backbone.timm_model.channels()
        self.neck.lateral_convs = nn.ModuleList(named(nn.Conv2d(width, PYRAMID, 1)) for width in widths)
        self.neck.fpn_convs = nn.ModuleList(named(SeparableNormed(PYRAMID, PYRAMID, 1)) for _ in widths)
        self.decode_head.scale_heads = nn.ModuleList(self.level(i) for i in range(len(widths)))
        self.decode_head.conv_seg = nn.Conv2d(CHANNELS, classes, 1)

    @staticmethod
    def level(doublings: int) -> nn.Sequential:
        """Convolutions, and a doubling behind each but on the finest level."""
        layers = []
        for i in range(max(doublings, 1)):
            layers.append(ConvModule(CHANNELS if i else PYRAMID, CHANNELS))
            layers.append(nn.Upsample(scale_factor=2, mode="bilinear") if doublings else nn.Identity())
        return nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.backbone.timm_model(x)
        sums = topped([lateral.conv(m) for lateral, m in zip(self.neck.lateral_convs, maps, strict=True)])
        maps = [conv.conv(m) for conv, m in zip(self.neck.fpn_convs, sums, strict=True)]
        grown = [level(m) for level, m in zip(self.decode_head.scale_heads, maps, strict=True)]
        size = grown[0].shape[-2:]
        grown = [F.interpolate(m, size=size, mode="bilinear", align_corners=False) for m in grown]
        return self.decode_head.conv_seg(grown[0] + grown[1] + grown[2] + grown[3])
