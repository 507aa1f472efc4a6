"""mmdetection's RetinaNet and YOLOv3 around timm's maps, as its configurations build them."""

import torch
from torch import nn

from heads_fixtures import openmmlab  # noqa: F401, the wheel needs its stand-ins first

from mmdet.models.dense_heads.retina_head import RetinaHead
from mmdet.models.dense_heads.yolo_head import YOLOV3Head
from mmdet.models.necks.fpn import FPN
from mmdet.models.necks.yolo_neck import YOLOV3Neck
from mmengine.config import ConfigDict

CHANNELS = 256
YOLO_CHANNELS = [96, 96, 96]


class RetinaNet(nn.Module):
    """`configs/_base_/models/retinanet_r50_fpn.py` on timm's C2 to C5: `configs/timm_example` has one such."""

    def __init__(self, body: nn.Module, classes: int, channels: int = CHANNELS) -> None:
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.timm_model = body
        self.neck = FPN(body.feature_info.channels(), channels, 5, start_level=1, add_extra_convs="on_input")
        self.bbox_head = RetinaHead(
            classes, channels, stacked_convs=4, feat_channels=channels,
            anchor_generator=dict(
                type="AnchorGenerator", octave_base_scale=4, scales_per_octave=3, ratios=[0.5, 1.0, 2.0],
                strides=[8, 16, 32, 64, 128],
            ),
            bbox_coder=dict(type="DeltaXYWHBBoxCoder", target_means=[0.0] * 4, target_stds=[1.0] * 4),
            loss_cls=dict(type="FocalLoss", use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
            loss_bbox=dict(type="L1Loss", loss_weight=1.0),
            train_cfg=ConfigDict(
                assigner=dict(
                    type="MaxIoUAssigner", pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0, ignore_iof_thr=-1
                ),
                sampler=dict(type="PseudoSampler"), allowed_border=-1, pos_weight=-1, debug=False,
            ),
            test_cfg=ConfigDict(
                nms_pre=1000, min_bbox_size=0, score_thr=0.05, nms=dict(type="nms", iou_threshold=0.5),
                max_per_img=100,
            ),
        )

    def forward(self, x: torch.Tensor):
        return self.bbox_head(self.neck(self.backbone.timm_model(x)))


class YoloV3(nn.Module):
    """`configs/yolo/yolov3_mobilenetv2_8xb24-ms-416-300e_coco.py` on timm's C3 to C5."""

    def __init__(self, body: nn.Module, classes: int) -> None:
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.timm_model = body
        self.neck = YOLOV3Neck(3, body.feature_info.channels()[::-1], YOLO_CHANNELS)
        self.bbox_head = YOLOV3Head(
            classes, YOLO_CHANNELS, YOLO_CHANNELS,
            anchor_generator=dict(
                type="YOLOAnchorGenerator",
                base_sizes=[
                    [(116, 90), (156, 198), (373, 326)], [(30, 61), (62, 45), (59, 119)], [(10, 13), (16, 30), (33, 23)]
                ],
                strides=[32, 16, 8],
            ),
            bbox_coder=dict(type="YOLOBBoxCoder"), featmap_strides=[32, 16, 8],
            test_cfg=ConfigDict(
                nms_pre=1000, min_bbox_size=0, score_thr=0.05, conf_thr=0.005,
                nms=dict(type="nms", iou_threshold=0.45), max_per_img=100,
            ),
        )

    def forward(self, x: torch.Tensor):
        return self.bbox_head(self.neck(self.backbone.timm_model(x)))[0]


class Raw(nn.Module):
    """A RetinaNet's logits of all levels, then its differences."""

    def __init__(self, network: RetinaNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        logits, deltas = self.network(x)
        return (*logits, *deltas)
