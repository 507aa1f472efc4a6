"""The three networks in training as PyTorch has them: timm's GhostNetV2, and the two `lite` heads restated.

Names of tensors are those of the Rust crates, and values come from formula.py by these names. One exception: the bias
of a detector's class scores is 4 less, as objects are rare.
"""

import numpy as np
import torch
from timm.models.ghostnet import _create_ghostnet
from torch import nn
from torch.nn import functional as F

import formula

CLASS_BIAS, CLASS_BIAS_SHIFT = "cls_logits.pointwise.bias", np.float32(-4)


def classifier(width: float, classes: int) -> nn.Module:
    """timm's own, without dropout."""
    return _create_ghostnet("ghostnetv2_100", width=width, version="v2", num_classes=classes, drop_rate=0.0)


class Trunk(nn.Module):
    """timm's GhostNetV2 up to `blocks.8`; gives the last map of each resolution from stride 4 to 32."""

    def __init__(self, width: float):
        super().__init__()
        whole = classifier(width, 1)
        self.conv_stem, self.bn1, self.act1 = whole.conv_stem, whole.bn1, whole.act1
        self.blocks = whole.blocks[:9]

    def forward(self, x):
        x, maps = self.act1(self.bn1(self.conv_stem(x))), []
        for i, stage in enumerate(self.blocks):
            x = stage(x)
            if i in (2, 4, 6, 8):
                maps.append(x)
        return maps

    def channels(self, width_probe: int = 64) -> list[int]:
        self.eval()
        with torch.no_grad():
            return [m.shape[1] for m in self(torch.zeros(1, 3, width_probe, width_probe))]


class Separable(nn.Module):
    """A depthwise 3x3 convolution, then a pointwise one with or without a bias."""

    def __init__(self, channels: int, out: int, stride: int = 1, bias: bool = False):
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, out, 1, bias=bias)

    def forward(self, x):
        return self.pointwise(self.depthwise(x))


class Smooth(Separable):
    """With its batch-norm, which lies beside its parts."""

    def __init__(self, channels: int, out: int, stride: int = 1):
        super().__init__(channels, out, stride)
        self.bn = nn.BatchNorm2d(out)

    def forward(self, x):
        return self.bn(super().forward(x))


def top_down(laterals: list[torch.Tensor]) -> list[torch.Tensor]:
    """Feature pyramid networks: each map plus the next coarser one, enlarged by the nearest pixel."""
    for i in reversed(range(1, len(laterals))):
        size = laterals[i - 1].shape[-2:]
        laterals[i - 1] = laterals[i - 1] + F.interpolate(laterals[i], size=size, mode="nearest")
    return laterals


class DetectorPyramid(nn.Module):
    """P3 to P7."""

    def __init__(self, widths: list[int], channels: int):
        super().__init__()
        self.inner_blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(w, channels, 1)) for w in widths)
        self.layer_blocks = nn.ModuleList(nn.Sequential(Smooth(channels, channels)) for _ in widths)
        self.extra_blocks = nn.ModuleDict({name: Smooth(channels, channels, 2) for name in ("p6", "p7")})

    def forward(self, maps):
        inner = top_down([conv(m) for conv, m in zip(self.inner_blocks, maps, strict=True)])
        maps = [block(m) for block, m in zip(self.layer_blocks, inner, strict=True)]
        p6 = self.extra_blocks["p6"](maps[-1])
        return [*maps, p6, self.extra_blocks["p7"](F.relu(p6))]


class Tower(nn.Module):
    """Four convolutions that all levels share, with batch-norms of each level's own."""

    def __init__(self, channels: int, name: str, outputs: int):
        super().__init__()
        levels = range(5)
        self.conv = nn.ModuleList(
            nn.ModuleList([Separable(channels, channels), nn.ModuleList(nn.BatchNorm2d(channels) for _ in levels)])
            for _ in range(4)
        )
        self.predictor = name
        self.add_module(name, Separable(channels, outputs, bias=True))

    def forward(self, maps):
        found = []
        for level, x in enumerate(maps):
            for conv, norms in self.conv:
                x = F.relu(norms[level](conv(x)))
            found.append(getattr(self, self.predictor)(x))
        return found


class Detector(nn.Module):
    """RetinaNet `lite`: logits of all levels, then differences, [B, 9 * classes or 9 * 4, H, W] each."""

    def __init__(self, width: float, channels: int, classes: int):
        super().__init__()
        trunk = Trunk(width)
        self.backbone = nn.Module()
        self.backbone.body = trunk
        self.backbone.fpn = DetectorPyramid(trunk.channels()[1:], channels)
        self.head = nn.Module()
        self.head.classification_head = Tower(channels, "cls_logits", 9 * classes)
        self.head.regression_head = Tower(channels, "bbox_reg", 9 * 4)

    def forward(self, x):
        maps = self.backbone.fpn(self.backbone.body(x)[1:])
        return self.head.classification_head(maps), self.head.regression_head(maps)


class Segmenter(nn.Module):
    """Semantic FPN `lite`: logits at a quarter of the input's size."""

    def __init__(self, width: float, pyramid_channels: int, channels: int, classes: int):
        super().__init__()
        trunk = Trunk(width)
        self.backbone = nn.Module()
        self.backbone.timm_model = trunk
        widths = trunk.channels()
        self.neck = nn.Module()
        self.neck.lateral_convs = nn.ModuleList(self._named(nn.Conv2d(w, pyramid_channels, 1)) for w in widths)
        self.neck.fpn_convs = nn.ModuleList(
            self._named(Smooth(pyramid_channels, pyramid_channels)) for _ in widths
        )
        self.decode_head = nn.Module()
        self.decode_head.scale_heads = nn.ModuleList(
            nn.ModuleDict(
                {
                    str(2 * i): self._unit(pyramid_channels if i == 0 else channels, channels)
                    for i in range(max(level, 1))
                }
            )
            for level in range(len(widths))
        )
        self.decode_head.conv_seg = nn.Conv2d(channels, classes, 1)

    @staticmethod
    def _named(conv: nn.Module) -> nn.Module:
        return nn.ModuleDict({"conv": conv})

    @staticmethod
    def _unit(channels: int, out: int) -> nn.Module:
        return nn.ModuleDict({"conv": Separable(channels, out), "bn": nn.BatchNorm2d(out)})

    def forward(self, x):
        maps = self.backbone.timm_model(x)
        inner = top_down([unit["conv"](m) for unit, m in zip(self.neck.lateral_convs, maps, strict=True)])
        maps = [unit["conv"](m) for unit, m in zip(self.neck.fpn_convs, inner, strict=True)]
        size, total = maps[0].shape[-2:], 0
        for level, (units, y) in enumerate(zip(self.decode_head.scale_heads, maps, strict=True)):
            for unit in units.values():
                y = F.relu(unit["bn"](unit["conv"](y)))
                if level > 0:
                    y = F.interpolate(y, scale_factor=2, mode="bilinear", align_corners=False)
            if level > 0:
                y = F.interpolate(y, size=size, mode="bilinear", align_corners=False)
            total = total + y
        return self.decode_head.conv_seg(total)


def fill(model: nn.Module) -> nn.Module:
    """The model in training mode with every tensor filled by formula."""
    filled = {}
    for name, value in model.state_dict().items():
        values = np.asarray(formula.tensor(name, tuple(value.shape)))
        filled[name] = torch.from_numpy(values + CLASS_BIAS_SHIFT if name.endswith(CLASS_BIAS) else values)
    model.load_state_dict(filled)
    return model.train()
