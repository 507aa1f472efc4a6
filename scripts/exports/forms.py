"""The names that other libraries have for what a folder holds."""

import torch

from converters.refusal import Refused
from exports.network import joined
from exports.source import Source

# Presets of each library, and where the backbone lies in it.
LIBRARIES = {
    "torchvision": (("torchvision", "torchvision-v2"), "backbone.body."),
    "mmdet": (("mmdet", "yolov3", "yolov3-320"), "backbone.timm_model."),
    "mmseg": (("mmseg", "deeplabv3", "deeplabv3-d16"), "backbone.timm_model."),
    "smp": (("smp",), "encoder.model."),
}


def backbone(source: Source) -> dict[str, torch.Tensor]:
    """What lies below a head, or all of a classifier, under timm's names."""
    if source.architecture.mindspore:
        raise Refused(f"{source.architecture.name}: timm computes another network with these weights")
    prefix = source.backbone
    below = {name.removeprefix(prefix): t for name, t in source.tensors.items() if name.startswith(prefix)}
    return joined(below, ".")


def for_library(source: Source, library: str) -> dict[str, torch.Tensor]:
    """Names of a library; of a classifier the trunk, for `load_state_dict(…, strict=False)` of a network with a
    head."""
    presets, prefix = LIBRARIES[library]
    if source.preset in presets:
        return joined(source.tensors, "_")
    if source.preset is not None:
        fits = [name for name, (known, _) in LIBRARIES.items() if source.preset in known]
        found = f"expected --to {fits[0]}" if fits else "no library has this network: --to timm gives its backbone"
        raise Refused(f"{library} has no network of the preset {source.config['head']['preset']}: {found}")
    trunk = {}
    for name, value in backbone(source).items():
        # timm's features_only ends with blocks.7.
        if name.startswith(("conv_stem", "bn1")) or (name.startswith("blocks.") and int(name.split(".")[1]) <= 7):
            trunk[f"{prefix}{name.replace('blocks.', 'blocks_', 1)}"] = value
    return trunk
