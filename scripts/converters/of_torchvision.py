"""torchvision's RetinaNet of either version around timm's backbone, with the names of its older files or of today's."""

import re

from converters import ghostnet
from converters.network import Converted, conv, headed, of_backbone, rows
from converters.refusal import Refused

BACKBONE = "backbone.body."
CHANNELS, ANCHORS, DEPTH = 256, 9, 4
TOWERS = (("classification_head", "cls_logits"), ("regression_head", "bbox_reg"))


def todays_name(name: str) -> str:
    """A name of torchvision before 0.13 as it is today: convolutions of the pyramid and the towers became blocks."""
    name = re.sub(r"(fpn\.(?:inner|layer)_blocks\.\d+)\.(weight|bias)$", r"\1.0.\2", name)
    old = re.fullmatch(r"(head\.\w+\.conv)\.(\d+)\.(weight|bias)", name)
    return f"{old[1]}.{int(old[2]) // 2}.0.{old[3]}" if old else name


def head(widths: list[int], classes: int, second: bool) -> dict:
    """Shapes of pyramid and towers."""
    found = {}
    for i, width in enumerate(widths):
        found |= conv(f"backbone.fpn.inner_blocks.{i}.0", (CHANNELS, width, 1, 1))
        found |= conv(f"backbone.fpn.layer_blocks.{i}.0", (CHANNELS, CHANNELS, 3, 3))
    found |= conv("backbone.fpn.extra_blocks.p6", (CHANNELS, widths[-1] if second else CHANNELS, 3, 3))
    found |= conv("backbone.fpn.extra_blocks.p7", (CHANNELS, CHANNELS, 3, 3))
    for tower, last in TOWERS:
        for i in range(DEPTH):
            found |= conv(f"head.{tower}.conv.{i}.0", (CHANNELS, CHANNELS, 3, 3), bias=not second)
            if second:
                found |= conv(f"head.{tower}.conv.{i}.1", (CHANNELS,))
        outputs = ANCHORS * (classes if last == "cls_logits" else 4)
        found |= conv(f"head.{tower}.{last}", (outputs, CHANNELS, 3, 3))
    return found


def convert(tensors: dict, names=None, _preset=None) -> Converted:
    renamed = {todays_name(name): value for name, value in tensors.items()}
    if len(renamed) != len(tensors):
        raise Refused("names of old and of new versions of torchvision for the same tensors: expected one of both")
    classes = rows(renamed, "head.classification_head.cls_logits.weight", ANCHORS)
    second = "head.classification_head.conv.0.1.weight" in renamed
    found = of_backbone(renamed, BACKBONE)
    widths = ghostnet.stage_channels(found, ghostnet.TIMM_TAPS[1:])
    preset = "torchvision-v2" if second else "torchvision"
    config = {"num_classes": classes, "head": {"type": "retinanet", "preset": preset}}
    return headed(renamed, BACKBONE, head(widths, classes, second), found, config, names)
