"""The authors' GhostNet V1, V2 and V3 in PyTorch, restated: huawei-noah's Efficient-AI-Backbones.

`ghostnet_pytorch/ghostnet.py`, `ghostnetv2_pytorch/model/ghostnetv2_torch.py`, `ghostnetv3_pytorch/ghostnetv3.py`.
Modules have their names, so that a state_dict of either loads into the other. """

import importlib.util
import sys
import types
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from converters.ghostnet import HEAD, LAST, STAGES, STEM, WITHOUT_DFC, Architecture

BRANCHES = 3
FILES = {
    "v1": "ghostnet_pytorch/ghostnet.py",
    "v2": "ghostnetv2_pytorch/model/ghostnetv2_torch.py",
    "v3": "ghostnetv3_pytorch/ghostnetv3.py",
}


def convolution(inputs: int, outputs: int, kernel, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = tuple(side // 2 for side in kernel)
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)


def named(conv: nn.Conv2d) -> nn.Sequential:
    """A convolution and its norm under the names of GhostNetV3's branches."""
    pair = nn.Sequential()
    pair.add_module("conv", conv)
    pair.add_module("bn", nn.BatchNorm2d(conv.out_channels))
    return pair


class Summed(nn.Module):
    """Mixed into modules that have GhostNetV3's branches among their own."""

    def add_branches(self, name: str, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        groups = inputs if kernel > 1 else 1
        branches = [named(convolution(inputs, outputs, kernel, stride, groups)) for _ in range(BRANCHES)]
        self.add_module(f"{name}_rpr_conv", nn.ModuleList(branches))
        scale = named(convolution(inputs, outputs, 1, stride, groups)) if kernel > 1 else None
        self.add_module(f"{name}_rpr_scale", scale)
        self.add_module(f"{name}_rpr_skip", nn.BatchNorm2d(inputs) if inputs == outputs and stride == 1 else None)

    def summed(self, name: str, x: torch.Tensor) -> torch.Tensor:
        y = sum(branch(x) for branch in getattr(self, f"{name}_rpr_conv"))
        others = (getattr(self, f"{name}_rpr_scale"), getattr(self, f"{name}_rpr_skip"))
        return sum((other(x) for other in others if other is not None), y)


class GhostModule(Summed):
    def __init__(self, version: str, inputs: int, outputs: int, relu: bool, dfc: bool) -> None:
        super().__init__()
        self.version, self.outputs, half = version, outputs, -(-outputs // 2)
        self.act = nn.ReLU() if relu else nn.Identity()
        if version == "v3":
            self.add_branches("primary", inputs, half, 1)
            self.add_branches("cheap", half, half, 3)
        else:
            self.primary_conv = nn.Sequential(convolution(inputs, half, 1), nn.BatchNorm2d(half))
            self.cheap_operation = nn.Sequential(convolution(half, half, 3, groups=half), nn.BatchNorm2d(half))
        self.short_conv = None
        if dfc:
            self.short_conv = nn.Sequential(
                convolution(inputs, outputs, 1), nn.BatchNorm2d(outputs),
                convolution(outputs, outputs, (1, 5), groups=outputs), nn.BatchNorm2d(outputs),
                convolution(outputs, outputs, (5, 1), groups=outputs), nn.BatchNorm2d(outputs),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.version == "v3":
            primary = self.act(self.summed("primary", x))
            cheap = self.act(self.summed("cheap", primary))
        else:
            primary = self.act(self.primary_conv(x))
            cheap = self.act(self.cheap_operation(primary))
        y = torch.cat([primary, cheap], dim=1)[:, : self.outputs]
        if self.short_conv is None:
            return y
        gate = torch.sigmoid(self.short_conv(F.avg_pool2d(x, kernel_size=2, stride=2)))
        return y * F.interpolate(gate, size=y.shape[-2:], mode="nearest")


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int, few: int) -> None:
        super().__init__()
        self.conv_reduce, self.conv_expand = nn.Conv2d(channels, few, 1), nn.Conv2d(few, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate = self.conv_expand(F.relu(self.conv_reduce(x.mean((2, 3), keepdim=True))))
        return x * (F.relu6(gate + 3) / 6)


class Bottleneck(Summed):
    def __init__(self, a: Architecture, inputs: int, row: tuple, dfc: bool) -> None:
        super().__init__()
        kernel, expansion, out, squeezes, stride = row
        mid, outputs = a.channels(expansion), a.channels(out)
        self.version, self.stride = a.version, stride
        self.ghost1 = GhostModule(a.version, inputs, mid, True, dfc)
        if stride > 1 and a.version == "v3":
            self.add_branches("dw", mid, mid, kernel, stride)
        elif stride > 1:
            self.conv_dw, self.bn_dw = convolution(mid, mid, kernel, stride, mid), nn.BatchNorm2d(mid)
        self.se = SqueezeExcite(mid, a.squeezed(mid)) if squeezes else None
        self.ghost2 = GhostModule(a.version, mid, outputs, False, False)
        self.shortcut = nn.Sequential()
        if inputs != outputs or stride > 1:
            self.shortcut = nn.Sequential(
                convolution(inputs, inputs, kernel, stride, inputs), nn.BatchNorm2d(inputs),
                convolution(inputs, outputs, 1), nn.BatchNorm2d(outputs),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.ghost1(x)
        if self.stride > 1:
            y = self.summed("dw", y) if self.version == "v3" else self.bn_dw(self.conv_dw(y))
        y = y if self.se is None else self.se(y)
        return self.ghost2(y) + self.shortcut(x)


class ConvBnAct(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv, self.bn1 = convolution(inputs, outputs, 1), nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn1(self.conv(x)))


class GhostNet(nn.Module):
    def __init__(self, a: Architecture, classes: int) -> None:
        super().__init__()
        inputs, number, stages = a.channels(STEM), 0, []
        self.conv_stem, self.bn1 = convolution(3, inputs, 3, 2), nn.BatchNorm2d(inputs)
        for rows in STAGES:
            stage = []
            for row in rows:
                stage.append(Bottleneck(a, inputs, row, a.version != "v1" and number >= WITHOUT_DFC))
                inputs, number = a.channels(row[2]), number + 1
            stages.append(nn.Sequential(*stage))
        last = a.channels(LAST)
        self.blocks = nn.Sequential(*stages, nn.Sequential(ConvBnAct(inputs, last)))
        self.conv_head, self.classifier = nn.Conv2d(last, HEAD, 1), nn.Linear(HEAD, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(F.relu(self.bn1(self.conv_stem(x))))
        return self.classifier(F.relu(self.conv_head(x.mean((2, 3), keepdim=True))).flatten(1))


class WithBatch(nn.Module):
    """The authors' GhostNetV3, which takes the batch away where it is of one; its tensors lie below `module`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.module = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.module(x).reshape(x.shape[0], -1)


def of_authors(a: Architecture, classes: int, code: Path) -> nn.Module:
    """The same by the authors' own files, in a clone of their repository."""
    # Their files ask an old timm for this place.
    if "timm.models.registry" not in sys.modules:
        registry = types.ModuleType("timm.models.registry")
        registry.register_model = lambda function: function
        sys.modules["timm.models.registry"] = registry
    spec = importlib.util.spec_from_file_location(f"authors_{a.version}", code / FILES[a.version])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    create = {"v1": "ghostnet", "v2": "ghostnetv2", "v3": "ghostnetv3"}[a.version]
    told = {"num_classes": classes, "width": a.hundredths / 100, "dropout": 0.2}
    network = getattr(module, create)(**told, **({} if a.version == "v1" else {"args": None}))
    if a.version == "v3":
        # It is always of 1000 classes there.
        network.classifier = nn.Linear(HEAD, classes)
        return WithBatch(network)
    return network
