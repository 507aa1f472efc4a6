"""mmsegmentation's DeepLabV3 on timm's narrowest GhostNetV2, whose last strides have become dilations.

timm's GhostNets refuse `output_stride`, which mmsegmentation's DeepLabV3 needs of its backbone. `dilate` restates what timm's EfficientNetBuilder does with it for MobileNetV2 and V3: a stride that would go too far is left out, and every convolution is dilated by the strides that were left out before it.
"""

import torch
from timm.models.ghostnet import GhostBottleneck, _create_ghostnet
from torch import nn

from . import of_mmseg, openmmlab, segmented  # noqa: F401, the wheels need their stand-ins first

from mmseg.models.decode_heads import ASPPHead
from mmseg.models.utils import resize

SCALE = (768, 192)
CLASSES, CHANNELS = 40, 16
# By output stride: those of configs/deeplabv3/deeplabv3_r50-d8_* and deeplabv3_r101-d16-mg124_*.
DILATIONS = {8: (1, 12, 24, 36), 16: (1, 6, 12, 18)}


def dilate(backbone: nn.Module, output_stride: int) -> None:
    """Turns strides that lead beyond `output_stride` into dilations of what stands behind them."""
    reached = 2
    for block in (module for module in backbone.modules() if isinstance(module, GhostBottleneck)):
        before = max(1, reached // output_stride)
        reached *= block.stride
        behind = max(1, reached // output_stride)
        # The stride is that of the convolutions between the two ghost modules, and of the shortcut's first.
        for part, dilation in (
            (block.ghost1, before), (block.conv_dw, before), (block.shortcut, before), (block.ghost2, behind)
        ):
            for conv in part.modules() if part is not None else ():
                if isinstance(conv, nn.Conv2d):
                    conv.dilation = (dilation, dilation)
                    conv.padding = tuple(dilation * (side // 2) for side in conv.kernel_size)
                    if behind > before:
                        conv.stride = (1, 1)


class Segmentor(nn.Module):
    """`configs/mobilenet_v2/mobilenet-v2-d8_deeplabv3_4xb4-160k_ade20k-512x512.py` with another backbone and fewer
    channels; without the auxiliary head, which only training has a use for."""

    def __init__(self, output_stride: int):
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.timm_model = _create_ghostnet(
            "ghostnetv2_100", width=0.25, version="v2", features_only=True, out_indices=(4,)
        )
        dilate(self.backbone.timm_model, output_stride)
        self.decode_head = ASPPHead(
            in_channels=self.backbone.timm_model.feature_info.channels()[-1], in_index=0, channels=CHANNELS,
            dilations=DILATIONS[output_stride], dropout_ratio=0.1, num_classes=CLASSES,
            norm_cfg=dict(type="BN", requires_grad=True), align_corners=False,
            loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
        )

    def forward(self, x):
        return self.decode_head(self.backbone.timm_model(x))

    def encode_decode(self, x):
        return resize(self(x), size=x.shape[2:], mode="bilinear", align_corners=False)


def whole(output_stride: int) -> dict:
    """Input, logits and labels."""
    picture, kept, labels = segmented.picture(), {}, []
    for dtype in (torch.float32, torch.float64):
        model = segmented.fill(Segmentor(output_stride)).to(dtype)
        x = of_mmseg.pixels(picture, dtype, SCALE)
        with torch.no_grad():
            logits, full = model(x), model.encode_decode(x)
        assert logits.shape[2:] == tuple(-(-side // output_stride) for side in x.shape[2:])
        if dtype == torch.float32:
            segmented.keep(kept, x, logits, "logits")
        else:
            segmented.check(logits, kept, "logits")
        shown = resize(full, size=picture.shape[:2], mode="bilinear", align_corners=False)
        labels.append(shown.argmax(1)[0])
    segmented.keep_labels(kept, "labels", *labels)
    return kept
