"""The networks with heads that peers run: restated from torchvision, segmentation_models_pytorch and this project.

They have the names of the presets that this project loads, so that one file of weights serves everybody, and give what
its plans give: the raw maps, without what would only rearrange them. That they are what they claim to be is checked by
this project's loader, which refuses any other tensor, and by its outputs; its own are tested against the originals.
"""

import timm
import torch
from torch import nn
from torch.nn import functional as F

BACKBONE = "ghostnetv2_100"
ANCHORS = 9
SCORES = 0.35
"""How far class scores vary around their low bias: one to four thousand are then above the threshold of detections."""


class Trunk(nn.Module):
    """timm's network up to the last of the stages `taps`, whose maps it gives; `whole` in place of the usual one."""

    def __init__(self, taps: tuple[int, ...], whole: nn.Module | None = None) -> None:
        super().__init__()
        whole = timm.create_model(BACKBONE, pretrained=False) if whole is None else whole
        self.conv_stem, self.bn1, self.blocks = whole.conv_stem, whole.bn1, whole.blocks[: taps[-1] + 1]
        self.taps = taps

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        maps, x = [], F.relu(self.bn1(self.conv_stem(x)))
        for stage, block in enumerate(self.blocks):
            x = block(x)
            if stage in self.taps:
                maps.append(x)
        return maps

    def channels(self) -> list[int]:
        with torch.no_grad():
            return [found.shape[1] for found in self.eval()(torch.zeros(1, self.conv_stem.in_channels, 64, 64))]


class Separable(nn.Module):
    """A depthwise convolution, then a pointwise one."""

    def __init__(self, inputs: int, outputs: int, stride: int, bias: bool) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pointwise(self.depthwise(x))


class SeparableNormed(Separable):
    """The same and a batch-norm."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(inputs, outputs, stride, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bn(super().forward(x))


def topped(laterals: list[torch.Tensor]) -> list[torch.Tensor]:
    """The pyramid's sums, fine to coarse."""
    sums = list(laterals)
    for i in range(len(sums) - 2, -1, -1):
        sums[i] = sums[i] + F.interpolate(sums[i + 1], size=sums[i].shape[-2:], mode="nearest")
    return sums


class DetectionPyramid(nn.Module):
    """P3 to P7, the last two from P5."""

    def __init__(self, inputs: list[int], channels: int, separable: bool) -> None:
        super().__init__()

        def conv(stride: int) -> nn.Module:
            if separable:
                return SeparableNormed(channels, channels, stride)
            return nn.Conv2d(channels, channels, 3, stride, 1)

        self.inner_blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(width, channels, 1)) for width in inputs)
        self.layer_blocks = nn.ModuleList(nn.Sequential(conv(1)) for _ in inputs)
        self.extra_blocks = nn.ModuleDict({"p6": conv(2), "p7": conv(2)})

    def forward(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        sums = topped([block(m) for block, m in zip(self.inner_blocks, maps, strict=True)])
        found = [block(m) for block, m in zip(self.layer_blocks, sums, strict=True)]
        p6 = self.extra_blocks["p6"](found[-1])
        return [*found, p6, self.extra_blocks["p7"](F.relu(p6))]


class Tower(nn.Module):
    """Four convolutions that all levels share, and one that predicts; where separable, norms of each level's own."""

    LEVELS = 5

    def __init__(self, channels: int, predictor: str, outputs: int, separable: bool) -> None:
        super().__init__()
        self.predictor, self.separable = predictor, separable
        if separable:
            units = (self.normed(channels) for _ in range(4))
            last = Separable(channels, outputs, 1, bias=True)
        else:
            units = (nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1), nn.ReLU()) for _ in range(4))
            last = nn.Conv2d(channels, outputs, 3, 1, 1)
        self.conv = nn.ModuleList(units)
        self.add_module(predictor, last)

    def normed(self, channels: int) -> nn.ModuleList:
        norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(self.LEVELS))
        return nn.ModuleList([Separable(channels, channels, 1, bias=False), norms])

    def forward(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        return [self.one(x, level) for level, x in enumerate(maps)]

    def one(self, x: torch.Tensor, level: int) -> torch.Tensor:
        for unit in self.conv:
            x = F.relu(unit[1][level](unit[0](x))) if self.separable else unit(x)
        return getattr(self, self.predictor)(x)


class RetinaNet(nn.Module):
    """Logits of all levels, then differences of all levels."""

    def __init__(
        self, taps: tuple[int, ...], channels: int, classes: int, separable: bool, whole: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.backbone, self.head = nn.Module(), nn.Module()
        self.backbone.body = Trunk(taps, whole)
        self.backbone.fpn = DetectionPyramid(self.backbone.body.channels(), channels, separable)
        self.head.classification_head = Tower(channels, "cls_logits", ANCHORS * classes, separable)
        self.head.regression_head = Tower(channels, "bbox_reg", ANCHORS * 4, separable)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        maps = self.backbone.fpn(self.backbone.body(x))
        return (*self.head.classification_head(maps), *self.head.regression_head(maps))


class Growing(nn.Module):
    """A convolution, a group norm, and most often twice the size."""

    def __init__(self, inputs: int, outputs: int, doubled: bool) -> None:
        super().__init__()
        conv = nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)
        self.block, self.doubled = nn.Sequential(conv, nn.GroupNorm(32, outputs), nn.ReLU()), doubled

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.block(x)
        return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True) if self.doubled else x


class Decoder(nn.Module):
    """A pyramid without smoothing; each level grows to a quarter of the input's size, and all are summed."""

    def __init__(self, inputs: list[int], pyramid: int, channels: int) -> None:
        super().__init__()
        *fine, coarse = inputs
        self.p5 = nn.Conv2d(coarse, pyramid, 1)
        for level, width in zip(("p2", "p3", "p4"), fine, strict=True):
            skip = nn.Module()
            skip.skip_conv = nn.Conv2d(width, pyramid, 1)
            self.add_module(level, skip)
        self.seg_blocks = nn.ModuleList()
        for doublings in (3, 2, 1, 0):
            level = nn.Module()
            widths = (pyramid, *[channels] * (max(doublings, 1) - 1))
            level.block = nn.Sequential(*(Growing(width, channels, doublings > 0) for width in widths))
            self.seg_blocks.append(level)

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        c2, c3, c4, c5 = maps
        skips = (self.p2.skip_conv(c2), self.p3.skip_conv(c3), self.p4.skip_conv(c4))
        sums = topped([*skips, self.p5(c5)])
        grown = [level.block(x) for level, x in zip(self.seg_blocks, reversed(sums), strict=True)]
        return grown[0] + grown[1] + grown[2] + grown[3]


class SemanticFpn(nn.Module):
    """Class scores at a quarter of the input's size: what follows in the original is the same for everybody."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.model = Trunk((1, 3, 5, 7))
        self.decoder = Decoder(self.encoder.model.channels(), 256, 128)
        self.segmentation_head = nn.Sequential(nn.Conv2d(128, classes, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.segmentation_head(self.decoder(self.encoder.model(x)))


def create(name: str) -> nn.Module:
    """The network of a name, with the weights that PyTorch starts with."""
    return {
        "retinanet-torchvision": lambda: RetinaNet((3, 5, 7), 256, 91, separable=False),
        "retinanet-lite": lambda: RetinaNet((4, 6, 8), 128, 80, separable=True),
        "semantic-fpn-smp": lambda: SemanticFpn(150),
    }[name]()


def spread(model: nn.Module) -> None:
    """Weights of the head by which values neither fade nor grow on their way through it."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d) and ".body." not in name and ".model." not in name:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.normal_(module.bias, 0.0, 0.05)


@torch.no_grad()
def settle_scores(model: nn.Module, pictures: torch.Tensor) -> None:
    """Class scores as rare and as different as a trained detector's; small differences of boxes."""
    if not isinstance(model, RetinaNet):
        return
    outputs = model.eval()(pictures)
    half = len(outputs) // 2
    towers = (model.head.classification_head, model.head.regression_head)
    for tower, found, deviation, level in zip(
        towers, (outputs[:half], outputs[half:]), (SCORES, 0.2), (-4.6, 0.0), strict=True
    ):
        last = getattr(tower, tower.predictor)
        last = last.pointwise if tower.separable else last
        last.weight *= deviation / torch.cat([m.flatten() for m in found]).std()
        last.bias.fill_(level)
