"""The network of a folder in PyTorch: its own library's where it has one."""

import re
from collections.abc import Callable

from torch import nn

from converters.refusal import Refused, listed
from exports.source import Source

# timm's maps that each stands on.
MAPS = {
    "torchvision": (2, 3, 4), "torchvision-v2": (2, 3, 4), "mmdet": (1, 2, 3, 4), "yolov3": (2, 3, 4),
    "mmseg": (1, 2, 3, 4), "deeplabv3": (4,), "deeplabv3-d16": (4,),
}
LEVELS = [f"{what}.{level}" for what in ("logits", "deltas") for level in (3, 4, 5, 6, 7)]


def built(source: Source) -> tuple[nn.Module, Callable[[nn.Module], nn.Module], list[str]]:
    """A network whose names are the folder's, what of it computes the outputs, and their names in our dumps."""
    a, classes, preset = source.architecture, source.classes, source.preset

    def itself(network: nn.Module) -> nn.Module:
        return network

    if preset is None and a.mindspore:
        from originals import of_mindspore

        return of_mindspore.GhostNet(a, classes), itself, ["logits"]
    if a.mindspore:
        raise Refused(f"{preset} on {a.name}: heads of other libraries stand on timm's backbones, which are others")
    from originals import of_timm

    if preset is None:
        return of_timm.classifier(a, classes), itself, ["logits"]
    if preset == "smp":
        from originals import of_smp

        return of_smp.fpn(a, classes), of_smp.Quarter, ["logits"]
    if preset in ("lite", "lite-areas"):
        from originals import of_lite

        detects = preset == "lite"
        network = of_lite.retinanet(a, classes) if detects else of_lite.SemanticFpn(a, classes)
        return network, itself, LEVELS if detects else ["logits"]
    body = of_timm.features(a, MAPS[preset.removesuffix("-320")])
    if preset.startswith("torchvision"):
        from originals import of_torchvision

        version = "v2" if preset.endswith("v2") else "v1"
        return of_torchvision.retinanet(version, body, classes), of_torchvision.Raw, LEVELS
    if preset.startswith("deeplabv3"):
        from originals import of_mmseg

        stride = 16 if preset.endswith("d16") else 8
        return of_mmseg.DeepLabV3(body, classes, stride), itself, ["logits"]
    if preset == "mmseg":
        from originals import of_mmseg

        return of_mmseg.SemanticFpn(body, classes), itself, ["logits"]
    from originals import of_mmdet

    if preset == "mmdet":
        return of_mmdet.RetinaNet(body, classes), of_mmdet.Raw, LEVELS
    return of_mmdet.YoloV3(body, classes), itself, ["raw.5", "raw.4", "raw.3"]


def loaded(source: Source) -> tuple[nn.Module, nn.Module, list[str]]:
    """The network with the folder's weights in evaluation, what computes the outputs, and their names."""
    network, computing, names = built(source)
    tensors = in_names_of(network, source)
    left = network.load_state_dict(tensors, strict=False)
    missing = [name for name in left.missing_keys if not name.endswith("num_batches_tracked")]
    if missing or left.unexpected_keys:
        raise Refused(
            f"{source.architecture.name}, {source.preset}: missing: {listed(missing) or 'none'}; unexpected: "
            f"{listed(left.unexpected_keys) or 'none'}"
        )
    network.eval()
    return network, computing(network).eval(), names


def in_names_of(network: nn.Module, source: Source) -> dict:
    """The folder's tensors under the names of a network, which may join a stage's name and number by an underscore."""
    if source.architecture.mindspore:
        from converters.of_mindspore import timms_name
        from originals.of_mindspore import mindspores_name

        of_timm = {name: timms_name(mindspores_name(name)) for name in network.state_dict()}
        return {name: source.tensors[timms] for name, timms in of_timm.items() if timms in source.tensors}
    underscored = any(".blocks_" in name or name.startswith("blocks_") for name in network.state_dict())
    return joined(source.tensors, "_" if underscored else ".")


def joined(tensors: dict, joint: str) -> dict:
    """Names with stages as `blocks.3` or `blocks_3`."""
    return {re.sub(r"(^|\.)blocks[._](\d)", rf"\1blocks{joint}\2", name): value for name, value in tensors.items()}
