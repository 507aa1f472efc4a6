"""GhostNetV2 as MindSpore's models have it (`research/cv/ghostnetv2`), whose network differs from PyTorch's.

It becomes `mindspore_ghostnetv2_100`, which this project computes as MindSpore does and timm does not have. Its blocks
are one list from 0 to 16, a convolution and its norm are a cell of their own, and norms have other names. """

import re

import numpy as np
import torch

from converters import ghostnet
from converters.network import Converted, classifier
from converters.refusal import Refused, listed

NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
# What MindSpore's optimisers and loops leave beside weights.
TRAINING = ("moments.", "moment1.", "moment2.", "accum.", "stat.", "ms.", "mg.", "mom.")
COUNTERS = {
    "learning_rate", "lr", "momentum", "global_step", "epoch_num", "step_num", "batch_num", "scale_sense", "loss_scale",
    "current_iterator_step", "last_overflow_iterator_step", "beta1_power", "beta2_power",
}
PLACES = [f"{stage}.{index}" for stage, rows in enumerate(ghostnet.STAGES) for index in range(len(rows))] + ["9.0"]


def timms_name(name: str) -> str:
    """MindSpore's name of a tensor as timm has it; a name that it can't be stays as it is."""
    *path, last = name.split(".")
    last = NORM.get(last, last)
    if len(path) > 1 and path[0] == "blocks" and path[1].isdigit() and int(path[1]) < len(PLACES):
        path[1:2] = PLACES[int(path[1])].split(".")
    cell = ".".join(path)
    cell = re.sub(r"(primary_conv|cheap_operation)\.conv$", r"\1.0", cell)
    cell = re.sub(r"(primary_conv|cheap_operation)\.bn$", r"\1.1", cell)
    cell = re.sub(r"(short_conv|shortcut)\.(\d)\.conv$", lambda m: f"{m[1]}.{2 * int(m[2])}", cell)
    cell = re.sub(r"(short_conv|shortcut)\.(\d)\.bn$", lambda m: f"{m[1]}.{2 * int(m[2]) + 1}", cell)
    cell = re.sub(r"\.dw\.conv$", ".conv_dw", cell)
    cell = re.sub(r"\.dw\.bn$", ".bn_dw", cell)
    cell = re.sub(r"^blocks\.9\.0\.bn$", "blocks.9.0.bn1", cell)
    return f"{cell}.{last}" if cell else last


def weights(arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The arrays of a `.ckpt` that are weights, under timm's names."""
    found, kept = {}, {}
    for name, array in arrays.items():
        if name in COUNTERS or name.startswith(TRAINING):
            continue
        timms = timms_name(name)
        if timms in found:
            raise Refused(f"{kept[timms]} and {name} would both be {timms}")
        # A copy: what was read from a file can't be written to.
        found[timms], kept[timms] = torch.from_numpy(array.copy()), name
    return found


def convert(arrays: dict[str, np.ndarray], _names=None, _preset=None) -> Converted:
    if not any(name.startswith("blocks.16.") for name in arrays):
        raise Refused(f"no blocks.16.*, GhostNetV2's last convolution, among {listed(arrays)}")
    return classifier(weights(arrays), "bilinear", mindspore=True)
