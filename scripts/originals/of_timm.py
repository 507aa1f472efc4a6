"""timm's GhostNets at any width: whole, or the maps that its `features_only` gives."""

from timm.models import reparameterize_model
from torch import nn

from converters.ghostnet import Architecture
from fixture_models import Network


def network(a: Architecture, classes: int = 0) -> Network:
    return Network(a.name, a.version, a.hundredths / 100, classes)


def classifier(a: Architecture, classes: int) -> nn.Module:
    model = network(a, classes).create(in_chans=a.in_channels)
    return reparameterize_model(model) if a.fused else model


def features(a: Architecture, taps: tuple[int, ...]) -> nn.Module:
    """The maps of timm's levels `taps`, 0 to 4."""
    model = network(a).create(features_only=True, out_indices=taps, in_chans=a.in_channels)
    return reparameterize_model(model) if a.fused else model
