"""Names and shapes of the tensors of every GhostNet, under timm's names, and which GhostNet some tensors are.

The same table as `ghostnetv2/src/config.rs`; its tests compare names and shapes with timm's.
"""

import math
from dataclasses import dataclass

from converters.refusal import Refused, compare, listed

# The rows of the stages blocks.0 to blocks.8: kernel, expansion, outputs, whether it squeezes and excites, stride.
STAGES = (
    ((3, 16, 16, False, 1),),
    ((3, 48, 24, False, 2),),
    ((3, 72, 24, False, 1),),
    ((5, 72, 40, True, 2),),
    ((5, 120, 40, True, 1),),
    ((3, 240, 80, False, 2),),
    (
        (3, 200, 80, False, 1), (3, 184, 80, False, 1), (3, 184, 80, False, 1), (3, 480, 112, True, 1),
        (3, 672, 112, True, 1),
    ),
    ((5, 672, 160, True, 2),),
    ((5, 960, 160, False, 1), (5, 960, 160, True, 1), (5, 960, 160, False, 1), (5, 960, 160, True, 1)),
)
STEM, LAST, HEAD = 16, 960, 1280
WITHOUT_DFC = 2
BRANCHES = 3
FAMILIES = {"v1": "ghostnet", "v2": "ghostnetv2", "v3": "ghostnetv3"}
PUBLISHED = (100, 130, 160, 50)
# The stage that each of timm's maps of `features_only` is the end of.
TIMM_TAPS = (1, 3, 5, 7)


@dataclass(frozen=True)
class Architecture:
    """A GhostNet: version, width in hundredths, input channels, whether V3's branches are fused, whose release."""

    version: str
    hundredths: int
    in_channels: int = 3
    fused: bool = False
    mindspore: bool = False

    @property
    def name(self) -> str:
        """As config.json has it."""
        return f"{'mindspore_' if self.mindspore else ''}{FAMILIES[self.version]}_{self.hundredths:03}"

    def channels(self, at_width_1: int) -> int:
        exact = at_width_1 * (self.hundredths / 100)
        return math.ceil(exact / 4) * 4 if self.mindspore else divisible(exact)

    def squeezed(self, channels: int) -> int:
        return math.ceil(channels // 4 / 4) * 4 if self.mindspore else divisible(channels * 0.25)


def divisible(exact: float) -> int:
    """The nearest multiple of 4, but not below nine tenths."""
    rounded = max(4, int(exact + 2) // 4 * 4)
    return rounded + 4 if rounded < 0.9 * exact else rounded


def norm(name: str, channels: int) -> dict:
    return {f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")}


def conv_norm(conv: str, bn: str, shape: tuple) -> dict:
    return {f"{conv}.weight": shape, **norm(bn, shape[0])}


def unit(a: Architecture, prefix: str, shape: tuple, names: tuple[str, str, str], stride: int = 1) -> dict:
    """A convolution with its norm; in V3 the sum of several, or one with a bias. `names`: conv, norm, branches."""
    conv, bn, branches = (f"{prefix}.{name}" for name in names)
    if a.version != "v3":
        return conv_norm(conv, bn, shape)
    if a.fused:
        return {f"{conv}.weight": shape, f"{conv}.bias": shape[:1]}
    found = {}
    for i in range(BRANCHES):
        found |= conv_norm(f"{branches}_conv.{i}.conv", f"{branches}_conv.{i}.bn1", shape)
    if shape[2] > 1:
        found |= conv_norm(f"{branches}_scale.conv", f"{branches}_scale.bn1", (*shape[:2], 1, 1))
        if stride == 1:
            found |= norm(f"{branches}_skip", shape[0])
    return found


def ghost_module(a: Architecture, prefix: str, inputs: int, outputs: int, dfc: bool) -> dict:
    half = math.ceil(outputs / 2)
    found = unit(a, prefix, (half, inputs, 1, 1), ("primary_conv.0", "primary_conv.1", "primary_rpr"))
    found |= unit(a, prefix, (half, 1, 3, 3), ("cheap_operation.0", "cheap_operation.1", "cheap_rpr"))
    if dfc:
        for i, shape in enumerate(((outputs, inputs, 1, 1), (outputs, 1, 1, 5), (outputs, 1, 5, 1))):
            found |= conv_norm(f"{prefix}.short_conv.{2 * i}", f"{prefix}.short_conv.{2 * i + 1}", shape)
    return found


def bottleneck(a: Architecture, prefix: str, inputs: int, row: tuple, dfc: bool) -> dict:
    kernel, expansion, out, squeezes, stride = row
    mid, outputs = a.channels(expansion), a.channels(out)
    found = ghost_module(a, f"{prefix}.ghost1", inputs, mid, dfc)
    if stride > 1:
        found |= unit(a, prefix, (mid, 1, kernel, kernel), ("conv_dw", "bn_dw", "dw_rpr"), stride)
    if squeezes:
        few = a.squeezed(mid)
        found |= {f"{prefix}.se.conv_reduce.weight": (few, mid, 1, 1), f"{prefix}.se.conv_reduce.bias": (few,)}
        found |= {f"{prefix}.se.conv_expand.weight": (mid, few, 1, 1), f"{prefix}.se.conv_expand.bias": (mid,)}
    found |= ghost_module(a, f"{prefix}.ghost2", mid, outputs, dfc=False)
    if inputs != outputs or stride > 1:
        found |= conv_norm(f"{prefix}.shortcut.0", f"{prefix}.shortcut.1", (inputs, 1, kernel, kernel))
        found |= conv_norm(f"{prefix}.shortcut.2", f"{prefix}.shortcut.3", (outputs, inputs, 1, 1))
    return found


def trunk(a: Architecture, last: int = len(STAGES) - 1, joint: str = ".") -> dict:
    """Shapes by name up to stage `last`; `features_only` joins a stage's name and number by an underscore."""
    inputs, number = a.channels(STEM), 0
    found = conv_norm("conv_stem", "bn1", (inputs, a.in_channels, 3, 3))
    for stage, rows in enumerate(STAGES[: last + 1]):
        for index, row in enumerate(rows):
            dfc = a.version != "v1" and number >= WITHOUT_DFC
            found |= bottleneck(a, f"blocks{joint}{stage}.{index}", inputs, row, dfc)
            inputs, number = a.channels(row[2]), number + 1
    return found


def classifier(a: Architecture, classes: int) -> dict:
    """Shapes by name of a whole classifier."""
    width, last = a.channels(STAGES[-1][-1][2]), a.channels(LAST)
    found = trunk(a) | conv_norm("blocks.9.0.conv", "blocks.9.0.bn1", (last, width, 1, 1))
    found |= {"conv_head.weight": (HEAD, last, 1, 1), "conv_head.bias": (HEAD,)}
    return found | {"classifier.weight": (classes, HEAD), "classifier.bias": (classes,)}


def stage_channels(a: Architecture, stages: tuple[int, ...]) -> list[int]:
    return [a.channels(STAGES[stage][-1][2]) for stage in stages]


def recognised(shapes: dict, expected, mindspore: bool = False) -> Architecture:
    """The architecture whose tensors, `expected(architecture)`, are these; of several widths that fit a published
    one."""
    stem = shapes.get("conv_stem.weight")
    if stem is None or len(stem) != 4:
        raise Refused(f"not a GhostNet: no conv_stem.weight among {listed(shapes) or 'no tensors'}")
    fused = any("primary_conv.0.bias" in name for name in shapes)
    branches = fused or any("_rpr_" in name for name in shapes)
    version = "v3" if branches else "v2" if any("short_conv" in name for name in shapes) else "v1"
    fitting = []
    for hundredths in (*PUBLISHED, *range(5, 1601)):
        architecture = Architecture(version, hundredths, stem[1], fused, mindspore)
        if architecture.channels(STEM) != stem[0]:
            continue
        tensors = expected(architecture)
        differ = sum(shapes.get(name) != shape for name, shape in tensors.items())
        if not differ and len(tensors) == len(shapes):
            return architecture
        fitting.append((differ, architecture))
    if not fitting:
        raise Refused(f"not a GhostNet: no width has {stem[0]} channels after conv_stem")
    nearest = min(fitting, key=lambda found: found[0])[1]
    compare(nearest.name, shapes, expected(nearest))
    raise Refused(f"these are not the tensors of {nearest.name}")
