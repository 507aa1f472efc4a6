"""mmdetection's RetinaNet and YOLOv3 around timm's backbone (`mmpretrain.TIMMBackbone`)."""

from converters import ghostnet
from converters.network import Converted, conv, headed, of_backbone, rows
from converters.refusal import Refused, listed

BACKBONE = "backbone.timm_model."
CHANNELS, ANCHORS, DEPTH = 256, 9, 4
YOLO_CHANNELS, YOLO_ANCHORS = 96, 3
YOLO_PRESETS = ("yolov3", "yolov3-320")


def retinanet(widths: list[int], classes: int) -> dict:
    """Shapes of neck and head."""
    found = {}
    for i, width in enumerate(widths):
        found |= conv(f"neck.lateral_convs.{i}.conv", (CHANNELS, width, 1, 1))
        found |= conv(f"neck.fpn_convs.{i}.conv", (CHANNELS, CHANNELS, 3, 3))
    found |= conv("neck.fpn_convs.3.conv", (CHANNELS, widths[-1], 3, 3))
    found |= conv("neck.fpn_convs.4.conv", (CHANNELS, CHANNELS, 3, 3))
    for tower, last, outputs in (("cls_convs", "retina_cls", classes), ("reg_convs", "retina_reg", 4)):
        for i in range(DEPTH):
            found |= conv(f"bbox_head.{tower}.{i}.conv", (CHANNELS, CHANNELS, 3, 3))
        found |= conv(f"bbox_head.{last}", (ANCHORS * outputs, CHANNELS, 3, 3))
    return found


def unit(name: str, outputs: int, inputs: int, kernel: int) -> dict:
    """A convolution and its norm."""
    shape = (outputs, inputs, kernel, kernel)
    return conv(f"{name}.conv", shape, bias=False) | ghostnet.norm(f"{name}.bn", outputs)


def yolov3(widths: list[int], classes: int) -> dict:
    """Shapes of neck and head, of which the first level is the coarsest."""
    found, c = {}, YOLO_CHANNELS
    for level, width in enumerate(reversed(widths)):
        inputs = width
        if level:
            found |= unit(f"neck.conv{level}", c, c, 1)
            inputs += c
        stack = ((c, inputs, 1), (2 * c, c, 3), (c, 2 * c, 1), (2 * c, c, 3), (c, 2 * c, 1))
        for i, (outputs, channels, kernel) in enumerate(stack, start=1):
            found |= unit(f"neck.detect{level + 1}.conv{i}", outputs, channels, kernel)
        found |= unit(f"bbox_head.convs_bridge.{level}", c, c, 3)
        found |= conv(f"bbox_head.convs_pred.{level}", (YOLO_ANCHORS * (5 + classes), c, 1, 1))
    return found


def convert(tensors: dict, names=None, preset=None) -> Converted:
    found = of_backbone(tensors, BACKBONE)
    widths = ghostnet.stage_channels(found, ghostnet.TIMM_TAPS[1:])
    if "bbox_head.retina_cls.weight" in tensors:
        classes = rows(tensors, "bbox_head.retina_cls.weight", ANCHORS)
        head, told = retinanet(widths, classes), {"type": "retinanet", "preset": "mmdet"}
    elif "bbox_head.convs_pred.0.weight" in tensors:
        classes = rows(tensors, "bbox_head.convs_pred.0.weight", YOLO_ANCHORS) - 5
        # Anchors are not among the weights.
        told = {"type": "yolov3", "preset": preset or YOLO_PRESETS[0]}
        if told["preset"] not in YOLO_PRESETS:
            raise Refused(f"--preset {preset}: expected {' or '.join(YOLO_PRESETS)} for a YOLOv3")
        head = yolov3(widths, classes)
    else:
        heads = [name for name in tensors if name.startswith("bbox_head.")]
        raise Refused(f"expected bbox_head.retina_cls or bbox_head.convs_pred, found {listed(heads) or 'no bbox_head'}")
    return headed(tensors, BACKBONE, head, found, {"num_classes": classes, "head": told}, names)
