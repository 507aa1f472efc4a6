"""The authors' releases in PyTorch: `state_dict_73.98.pth`, `ck_ghostnetv2_*.pth.tar`, `ghostnetv3-1.0.pth.tar`.

Their names are timm's, but that GhostNetV3's branches have a `bn` for timm's `bn1`.
"""

import re

from converters.network import Converted, classifier
from converters.refusal import Refused

BRANCH = re.compile(r"(_rpr_\w+(?:\.\d+)?)\.bn\.")


def timms_name(name: str) -> str:
    """The authors' name of a tensor as timm has it."""
    return BRANCH.sub(r"\1.bn1.", name)


def convert(tensors: dict, _names=None, _preset=None) -> Converted:
    renamed = {timms_name(name): value for name, value in tensors.items()}
    if len(renamed) != len(tensors):
        raise Refused("names of the authors and of timm for the same tensors: expected one of both")
    # GhostNet's validate.py takes torchvision's Resize as it is; the later ones were scored by timm.
    later = any("short_conv" in name for name in tensors)
    return classifier(renamed, "bicubic" if later else "bilinear")
