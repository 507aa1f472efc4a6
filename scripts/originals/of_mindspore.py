"""The authors' GhostNetV2 in MindSpore, restated: `research/cv/ghostnetv2/src/ghostnetv2.py` of MindSpore's models.

Cells have its names; tensors of norms have MindSpore's in `parameters`. Where it differs from PyTorch's release:
channels are rounded up to a multiple of 4, a squeezed quarter is rounded down first; the gate is upsampled by mixing
neighbours, with corners aligned (what `ops.interpolate` of MindSpore 1.8 and 1.9 does unless told otherwise); a hard
sigmoid multiplies by 0.16666667; nothing is cut after a concatenation. It asks for square inputs. """


import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from converters.ghostnet import HEAD, LAST, STAGES, STEM, WITHOUT_DFC, Architecture
from converters.of_mindspore import NORM

SIXTH = 0.16666667
TYPES = {np.dtype("float32"): "Float32", np.dtype("float16"): "Float16", np.dtype("int32"): "Int32"}


class ConvUnit(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel=1, stride=1, groups=1, relu=True) -> None:
        super().__init__()
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = tuple(side // 2 for side in kernel)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.bn, self.relu = nn.BatchNorm2d(outputs), relu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn(self.conv(x))
        return F.relu(y) if self.relu else y


class GhostModule(nn.Module):
    def __init__(self, inputs: int, outputs: int, relu: bool, dfc: bool) -> None:
        super().__init__()
        half = -(-outputs // 2)
        self.primary_conv = ConvUnit(inputs, half, relu=relu)
        self.cheap_operation = ConvUnit(half, half, 3, groups=half, relu=relu)
        self.short_conv = None
        if dfc:
            self.short_conv = nn.Sequential(
                ConvUnit(inputs, outputs, relu=False),
                ConvUnit(outputs, outputs, (1, 5), groups=outputs, relu=False),
                ConvUnit(outputs, outputs, (5, 1), groups=outputs, relu=False),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        primary = self.primary_conv(x)
        y = torch.cat([primary, self.cheap_operation(primary)], dim=1)
        if self.short_conv is None:
            return y
        gate = torch.sigmoid(self.short_conv(F.avg_pool2d(x, kernel_size=2, stride=2)))
        return y * F.interpolate(gate, size=y.shape[-2:], mode="bilinear", align_corners=True)


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int, few: int) -> None:
        super().__init__()
        self.conv_reduce, self.conv_expand = nn.Conv2d(channels, few, 1), nn.Conv2d(few, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate = self.conv_expand(F.relu(self.conv_reduce(x.mean((2, 3), keepdim=True))))
        return x * (F.relu6(gate + 3) * SIXTH)


class Bottleneck(nn.Module):
    def __init__(self, a: Architecture, inputs: int, row: tuple, dfc: bool) -> None:
        super().__init__()
        kernel, expansion, out, squeezes, stride = row
        mid, outputs = a.channels(expansion), a.channels(out)
        self.ghost1 = GhostModule(inputs, mid, True, dfc)
        self.dw = ConvUnit(mid, mid, kernel, stride, mid, relu=False) if stride > 1 else None
        self.se = SqueezeExcite(mid, a.squeezed(mid)) if squeezes else None
        self.ghost2 = GhostModule(mid, outputs, False, False)
        self.shortcut = None
        if inputs != outputs or stride > 1:
            self.shortcut = nn.Sequential(
                ConvUnit(inputs, inputs, kernel, stride, inputs, relu=False), ConvUnit(inputs, outputs, relu=False)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.ghost1(x)
        y = y if self.dw is None else self.dw(y)
        y = y if self.se is None else self.se(y)
        return self.ghost2(y) + (x if self.shortcut is None else self.shortcut(x))


class GhostNet(nn.Module):
    def __init__(self, a: Architecture, classes: int) -> None:
        super().__init__()
        inputs, blocks = a.channels(STEM), []
        self.conv_stem, self.bn1 = nn.Conv2d(3, inputs, 3, 2, 1, bias=False), nn.BatchNorm2d(inputs)
        for number, row in enumerate(row for rows in STAGES for row in rows):
            blocks.append(Bottleneck(a, inputs, row, number >= WITHOUT_DFC))
            inputs = a.channels(row[2])
        last = a.channels(LAST)
        self.blocks = nn.Sequential(*blocks, ConvUnit(inputs, last))
        self.conv_head, self.classifier = nn.Conv2d(last, HEAD, 1), nn.Linear(HEAD, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(F.relu(self.bn1(self.conv_stem(x))))
        return self.classifier(F.relu(self.conv_head(x.mean((2, 3), keepdim=True))).flatten(1))


def mindspores_name(name: str) -> str:
    """The name of a PyTorch tensor of these modules as MindSpore has it: norms have other names for theirs."""
    *path, last = name.split(".")
    known = {torchs: mindspores for mindspores, torchs in NORM.items()}
    return ".".join([*path, known.get(last, last) if path[-1] in ("bn", "bn1") else last])


def parameters(network: nn.Module) -> dict[str, np.ndarray]:
    """The tensors of a network as MindSpore names them."""
    state = network.state_dict()
    return {mindspores_name(k): v.numpy() for k, v in state.items() if not k.endswith("num_batches_tracked")}


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def checkpoint(arrays: dict[str, np.ndarray]) -> bytes:
    """A `.ckpt` as MindSpore writes it: `converters/protobuf.py` has its form."""
    found = []
    for tag, array in arrays.items():
        dims = b"".join(b"\x08" + varint(size) for size in array.shape or (0,))
        tensor = dims + field(2, TYPES[array.dtype].encode()) + field(3, np.ascontiguousarray(array).tobytes())
        found.append(field(1, field(1, tag.encode()) + field(2, tensor)))
    return b"".join(found)
