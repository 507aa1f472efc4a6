"""A folder of this project: `model.safetensors` and `config.json`, as convert.py and `train` write them."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from converters.ghostnet import FAMILIES, Architecture
from converters.network import rows
from converters.refusal import Refused

NAME = re.compile(r"(mindspore_)?(ghostnet|ghostnetv2|ghostnetv3)_(\d{3})(?:\..*)?")
# Where the backbone of each preset lies; a classifier has no preset.
BACKBONES = {
    None: "", "torchvision": "backbone.body.", "torchvision-v2": "backbone.body.", "mmdet": "backbone.timm_model.",
    "yolov3": "backbone.timm_model.", "yolov3-320": "backbone.timm_model.", "mmseg": "backbone.timm_model.",
    "deeplabv3": "backbone.timm_model.", "deeplabv3-d16": "backbone.timm_model.", "smp": "encoder.model.",
    "lite": "backbone.body.", "lite-areas": "backbone.timm_model.",
}
# The layer that tells the classes apart, and how many outputs it has for each.
CLASS_LAYERS = {
    None: ("classifier", 1), "torchvision": ("head.classification_head.cls_logits", 9),
    "torchvision-v2": ("head.classification_head.cls_logits", 9), "mmdet": ("bbox_head.retina_cls", 9),
    "yolov3": ("bbox_head.convs_pred.0", 3), "yolov3-320": ("bbox_head.convs_pred.0", 3),
    "mmseg": ("decode_head.conv_seg", 1), "deeplabv3": ("decode_head.conv_seg", 1),
    "deeplabv3-d16": ("decode_head.conv_seg", 1), "smp": ("segmentation_head.0", 1),
    "lite": ("head.classification_head.cls_logits.pointwise", 9), "lite-areas": ("decode_head.conv_seg", 1),
}


@dataclass
class Source:
    """Tensors in f32 under the names of the preset, the backbone, and how many classes there are."""

    tensors: dict[str, torch.Tensor]
    config: dict
    architecture: Architecture
    # None for a classifier; `lite-areas` is the Semantic FPN of the preset `lite`.
    preset: str | None
    classes: int

    @property
    def backbone(self) -> str:
        return BACKBONES[self.preset]


def architecture_of(name: str, shapes: dict, config: dict) -> Architecture:
    known = NAME.fullmatch(name or "")
    if known is None:
        raise Refused(f"architecture {name!r}: expected a name such as ghostnetv2_100")
    version = {family: version for version, family in FAMILIES.items()}[known[2]]
    fused = any(tensor.endswith("primary_conv.0.bias") for tensor in shapes)
    channels = (config.get("model_args") or {}).get("in_chans", 3)
    return Architecture(version, int(known[3]), channels, fused, known[1] is not None)


def read(folder: Path) -> Source:
    """What a folder holds."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "model.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise Refused(f"{folder}: expected config.json and model.safetensors: {error}") from None
    tensors = {name: value.float() for name, value in tensors.items() if value.is_floating_point()}
    head = config.get("head")
    preset = None if head is None else head.get("preset")
    if preset == "lite" and "decode_head.conv_seg.weight" in tensors:
        preset = "lite-areas"
    if preset not in BACKBONES:
        raise Refused(f"{folder}: preset {preset!r}: expected one of {', '.join(filter(None, BACKBONES))}")
    layer, divisor = CLASS_LAYERS[preset]
    classes = rows(tensors, f"{layer}.weight", divisor) - (5 if preset and preset.startswith("yolov3") else 0)
    found = architecture_of(config.get("architecture"), tensors, config)
    return Source(tensors, config, found, preset, classes)
