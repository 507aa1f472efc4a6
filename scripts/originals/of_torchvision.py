"""torchvision's RetinaNets around timm's maps C3 to C5."""

from collections import OrderedDict
from functools import partial

import torch
from torch import nn
from torchvision.models.detection.retinanet import RetinaNet, RetinaNetHead, _default_anchorgen
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

CHANNELS = 256
ANCHORS = 9


class Backbone(nn.Module):
    """timm's feature maps under a pyramid, as torchvision's BackboneWithFPN has it."""

    def __init__(self, body: nn.Module, channels: int, extra_from: str) -> None:
        super().__init__()
        self.body = body
        widths = body.feature_info.channels()
        extra = LastLevelP6P7(channels if extra_from == "p5" else widths[-1], channels)
        self.fpn = FeaturePyramidNetwork(widths, channels, extra_blocks=extra)
        self.out_channels = channels

    def forward(self, x: torch.Tensor) -> OrderedDict:
        return self.fpn(OrderedDict((str(i), m) for i, m in enumerate(self.body(x))))


def retinanet(version: str, body: nn.Module, classes: int, channels: int = CHANNELS, **sizes) -> RetinaNet:
    """v1 is built as retinanet_resnet50_fpn, v2 as retinanet_resnet50_fpn_v2."""
    if version == "v1":
        return RetinaNet(Backbone(body, channels, "p5"), classes, **sizes)
    head = RetinaNetHead(channels, ANCHORS, classes, norm_layer=partial(nn.GroupNorm, 32))
    head.regression_head._loss_type = "giou"
    backbone = Backbone(body, channels, "c5")
    return RetinaNet(backbone, classes, anchor_generator=_default_anchorgen(), head=head, **sizes)


class Raw(nn.Module):
    """A RetinaNet's logits of all levels and differences of all levels, [B, A * K, H, W] and [B, A * 4, H, W] each.

    As its heads have them before they put all levels into rows.
    """

    def __init__(self, network: RetinaNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        head, maps = self.network.head, list(self.network.backbone(x).values())
        classes, boxes = head.classification_head, head.regression_head
        logits = [classes.cls_logits(classes.conv(m)) for m in maps]
        return (*logits, *(boxes.bbox_reg(boxes.conv(m)) for m in maps))
