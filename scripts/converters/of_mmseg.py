"""mmsegmentation's FPN and DeepLabV3 around timm's backbone (`mmpretrain.TIMMBackbone`)."""

from converters import ghostnet
from converters.network import Converted, conv, headed, of_backbone, rows
from converters.refusal import Refused, listed

BACKBONE = "backbone.timm_model."
PYRAMID, CHANNELS = 256, 128
DEEPLAB_CHANNELS, BRANCHES = 512, 4
# At an eighth or a sixteenth of the input's size, which the weights do not tell.
DEEPLAB_PRESETS = ("deeplabv3", "deeplabv3-d16")
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


def unit(name: str, shape: tuple) -> dict:
    """A convolution and its norm."""
    return conv(f"{name}.conv", shape, bias=False) | ghostnet.norm(f"{name}.bn", shape[0])


def deeplabv3(width: int, classes: int) -> dict:
    """Shapes of the head on the last map: the mean, a 1x1 and three 3x3 branches, and what joins them."""
    c = DEEPLAB_CHANNELS
    found = unit("decode_head.image_pool.1", (c, width, 1, 1))
    for i in range(BRANCHES):
        kernel = 3 if i else 1
        found |= unit(f"decode_head.aspp_modules.{i}", (c, width, kernel, kernel))
    found |= unit("decode_head.bottleneck", (c, (BRANCHES + 1) * c, 3, 3))
    return found | conv("decode_head.conv_seg", (classes, c, 1, 1))


def convert(tensors: dict, names=None, preset=None) -> Converted:
    tensors = {name: value for name, value in tensors.items() if not name.startswith(AUXILIARY)}
    pyramid, branches = (
        any(name.startswith(f"decode_head.{part}.") for name in tensors) for part in ("scale_heads", "aspp_modules")
    )
    if pyramid == branches:
        heads = [name for name in tensors if name.startswith("decode_head.")]
        raise Refused(
            "expected decode_head.scale_heads.*, an FPN's, or decode_head.aspp_modules.*, a DeepLabV3's, found "
            f"{listed(heads) or 'no decode_head'}"
        )
    known = ("mmseg",) if pyramid else DEEPLAB_PRESETS
    if preset not in (None, *known):
        raise Refused(f"--preset {preset}: expected {' or '.join(known)}")
    found = of_backbone(tensors, BACKBONE)
    classes = rows(tensors, "decode_head.conv_seg.weight")
    widths = ghostnet.stage_channels(found, ghostnet.TIMM_TAPS)
    head = fpn(widths, classes) if pyramid else deeplabv3(widths[-1], classes)
    told = {"type": "semantic_fpn" if pyramid else "deeplabv3", "preset": preset or known[0]}
    return headed(tensors, BACKBONE, head, found, {"num_classes": classes, "head": told}, names)
