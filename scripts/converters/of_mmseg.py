"""mmsegmentation's FPN around timm's backbone (`mmpretrain.TIMMBackbone`)."""

from converters import ghostnet
from converters.network import Converted, conv, headed, of_backbone, rows
from converters.refusal import Refused, listed

BACKBONE = "backbone.timm_model."
PYRAMID, CHANNELS = 256, 128
# A second head that only helps to train.
AUXILIARY = "auxiliary_head."


def fpn(widths: list[int], classes: int) -> dict:
    """Shapes of neck and head."""
    found = {}
    for i, width in enumerate(widths):
        found |= conv(f"neck.lateral_convs.{i}.conv", (PYRAMID, width, 1, 1))
        found |= conv(f"neck.fpn_convs.{i}.conv", (PYRAMID, PYRAMID, 3, 3))
        # As many convolutions as there are doublings, but at least one; every second place is a doubling.
        for j in range(max(i, 1)):
            unit = f"decode_head.scale_heads.{i}.{2 * j}"
            found |= conv(f"{unit}.conv", (CHANNELS, CHANNELS if j else PYRAMID, 3, 3), bias=False)
            found |= ghostnet.norm(f"{unit}.bn", CHANNELS)
    return found | conv("decode_head.conv_seg", (classes, CHANNELS, 1, 1))


def convert(tensors: dict, names=None, _preset=None) -> Converted:
    tensors = {name: value for name, value in tensors.items() if not name.startswith(AUXILIARY)}
    if not any(name.startswith("decode_head.scale_heads.") for name in tensors):
        heads = [name for name in tensors if name.startswith("decode_head.")]
        raise Refused(f"expected decode_head.scale_heads.*, an FPN's, found {listed(heads) or 'no decode_head'}")
    found = of_backbone(tensors, BACKBONE)
    classes = rows(tensors, "decode_head.conv_seg.weight")
    head = fpn(ghostnet.stage_channels(found, ghostnet.TIMM_TAPS), classes)
    config = {"num_classes": classes, "head": {"type": "semantic_fpn", "preset": "mmseg"}}
    return headed(tensors, BACKBONE, head, found, config, names)
