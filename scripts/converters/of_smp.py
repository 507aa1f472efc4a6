"""segmentation_models_pytorch's `FPN` with a `tu-ghostnet*` encoder."""

from converters import ghostnet
from converters.network import Converted, conv, headed, of_backbone, rows
from converters.refusal import Refused, listed

BACKBONE = "encoder.model."
PYRAMID, CHANNELS = 256, 128


def fpn(widths: list[int], classes: int) -> dict:
    """Shapes of decoder and head."""
    *fine, coarse = widths
    found = conv("decoder.p5", (PYRAMID, coarse, 1, 1))
    for level, width in zip((2, 3, 4), fine, strict=True):
        found |= conv(f"decoder.p{level}.skip_conv", (PYRAMID, width, 1, 1))
    for i, doublings in enumerate((3, 2, 1, 0)):
        for j in range(max(doublings, 1)):
            block = f"decoder.seg_blocks.{i}.block.{j}.block"
            found |= conv(f"{block}.0", (CHANNELS, CHANNELS if j else PYRAMID, 3, 3), bias=False)
            found |= conv(f"{block}.1", (CHANNELS,))
    return found | conv("segmentation_head.0", (classes, CHANNELS, 1, 1))


def convert(tensors: dict, names=None, _preset=None) -> Converted:
    if not any(name.startswith("decoder.seg_blocks.") for name in tensors):
        heads = [name for name in tensors if not name.startswith(BACKBONE)]
        raise Refused(f"expected decoder.seg_blocks.*, an FPN's, found {listed(heads) or 'an encoder alone'}")
    found = of_backbone(tensors, BACKBONE)
    classes = rows(tensors, "segmentation_head.0.weight")
    head = fpn(ghostnet.stage_channels(found, ghostnet.TIMM_TAPS), classes)
    config = {"num_classes": classes, "head": {"type": "semantic_fpn", "preset": "smp"}}
    return headed(tensors, BACKBONE, head, found, config, names)
