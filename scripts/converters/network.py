"""What a converted checkpoint is: tensors under names that this project reads, and what config.json says of them."""

import re
from dataclasses import dataclass

import torch

from converters import ghostnet
from converters.refusal import Refused, compare, listed

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@dataclass
class Converted:
    """Tensors by name, and the content of config.json."""

    tensors: dict[str, torch.Tensor]
    config: dict


def shapes_of(tensors: dict) -> dict[str, tuple]:
    return {name: tuple(value.shape) for name, value in tensors.items()}


def classifier(tensors: dict, interpolation: str, mindspore: bool = False) -> Converted:
    """A whole classifier, whose names are timm's by now; how pictures were resized is not in its weights."""
    shapes = shapes_of(tensors)
    if "classifier.weight" not in shapes:
        raise Refused(f"no classifier.weight among {listed(shapes)}: expected a whole GhostNet with its classifier")
    classes = shapes["classifier.weight"][0]
    found = ghostnet.recognised(shapes, lambda a: ghostnet.classifier(a, classes), mindspore)
    pretrained_cfg = {
        "input_size": [found.in_channels, 224, 224], "interpolation": interpolation, "crop_pct": 0.875,
        "crop_mode": "center", "mean": MEAN, "std": STD, "num_classes": classes, "pool_size": [7, 7],
        "first_conv": "conv_stem", "classifier": "classifier",
    }
    config = {"architecture": found.name, "num_classes": classes, "pretrained_cfg": pretrained_cfg}
    if found.in_channels != 3:
        # ImageNet's statistics are those of three channels.
        del pretrained_cfg["mean"], pretrained_cfg["std"]
        config["model_args"] = {"in_chans": found.in_channels}
    return Converted(tensors, config)


def of_backbone(tensors: dict, prefix: str) -> ghostnet.Architecture:
    """The GhostNet below a head, up to the last of timm's maps."""
    below = {name.removeprefix(prefix): tuple(t.shape) for name, t in tensors.items() if name.startswith(prefix)}
    if not below:
        raise Refused(f"no {prefix}* among {listed(tensors)}")
    dotted = {re.sub(r"^blocks_", "blocks.", name): shape for name, shape in below.items()}
    return ghostnet.recognised(dotted, lambda a: ghostnet.trunk(a, ghostnet.TIMM_TAPS[-1]))


def joint(tensors: dict) -> str:
    """How a stage's name and number are joined: timm's `features_only` takes an underscore."""
    return "_" if any(".blocks_" in name for name in tensors) else "."


def headed(tensors: dict, backbone: str, head: dict, found: ghostnet.Architecture, config: dict, names) -> Converted:
    """A network with a head, after a look at all of its tensors: `head` has the shapes of those beside the
    backbone's."""
    trunk = ghostnet.trunk(found, ghostnet.TIMM_TAPS[-1], joint(tensors))
    expected = {f"{backbone}{name}": shape for name, shape in trunk.items()} | head
    preset = config["head"]["preset"]
    compare(f"the preset {preset} on {found.name}", shapes_of(tensors), expected)
    told = {"architecture": found.name, **config}
    if names and len(names) == config["num_classes"]:
        told["label_names"] = names
    return Converted(tensors, told)


def conv(name: str, shape: tuple, bias: bool = True) -> dict:
    """Shapes of a convolution."""
    return {f"{name}.weight": shape, **({f"{name}.bias": shape[:1]} if bias else {})}


def rows(tensors: dict, name: str, divisor: int = 1) -> int:
    """How many classes the last layer tells apart."""
    if name not in tensors:
        raise Refused(f"no {name} among {listed(tensors)}")
    outputs = tensors[name].shape[0]
    if outputs % divisor:
        raise Refused(f"{name} has {outputs} outputs: expected a multiple of {divisor}")
    return outputs // divisor
