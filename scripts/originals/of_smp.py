"""segmentation_models_pytorch's FPN with timm's GhostNet as its encoder."""

import segmentation_models_pytorch as smp
import torch
from segmentation_models_pytorch.decoders.fpn.decoder import FPNDecoder
from torch import nn

from converters.ghostnet import TIMM_TAPS, Architecture, stage_channels, STEM
from originals import of_timm

PUBLISHED = (50, 100, 130, 160)


def fpn(a: Architecture, classes: int) -> nn.Module:
    """`smp.FPN("tu-…")`; a width that timm has no name for takes the place of its encoder and decoder."""
    registered = a.hundredths in PUBLISHED and not a.fused and a.in_channels == 3
    name = a.name if registered else f"{a.name.rsplit('_', 1)[0]}_100"
    network = smp.FPN(f"tu-{name}", encoder_weights=None, classes=classes)
    if not registered:
        network.encoder.model = of_timm.features(a, (0, 1, 2, 3, 4))
        widths = [a.in_channels, a.channels(STEM), *stage_channels(a, TIMM_TAPS)]
        network.decoder = FPNDecoder(encoder_channels=widths, dropout=0.2, merge_policy="add")
    return network


class Quarter(nn.Module):
    """Class scores at a quarter of the input's size, before the last upsampling."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network.segmentation_head[0](self.network.decoder(self.network.encoder(x)))
