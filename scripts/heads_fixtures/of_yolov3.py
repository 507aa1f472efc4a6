"""mmdetection's YOLOv3 for small backbones around timm's narrowest GhostNetV2."""

import numpy as np
import torch
from timm.models.ghostnet import _create_ghostnet
from torch import nn

from . import inputs, of_mmdet, openmmlab, stored  # noqa: F401, the wheel needs its stand-ins first

from mmdet.models.dense_heads.yolo_head import YOLOV3Head
from mmdet.models.necks.yolo_neck import YOLOV3Neck
from mmengine.config import ConfigDict

SIDE = 160
SAMPLES = 1024
CHANNELS = [96, 96, 96]
# On the weights of the raw outputs, which otherwise hardly differ.
GAIN = 16.0


class Detector(nn.Module):
    """`configs/yolo/yolov3_mobilenetv2_8xb24-ms-416-300e_coco.py` with another backbone."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.timm_model = _create_ghostnet(
            "ghostnetv2_100", width=0.25, version="v2", features_only=True, out_indices=(2, 3, 4)
        )
        widths = self.backbone.timm_model.feature_info.channels()
        self.neck = YOLOV3Neck(3, widths[::-1], CHANNELS)
        self.bbox_head = YOLOV3Head(
            80, CHANNELS, CHANNELS,
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

    def forward(self, x):
        return self.bbox_head(self.neck(self.backbone.timm_model(x)))[0]


def batch(dtype: torch.dtype) -> tuple[torch.Tensor, list[dict]]:
    """What the test pipeline and the data preprocessor make of the pictures."""
    scale, of_mmdet.SCALE = of_mmdet.SCALE, (SIDE, SIDE)
    try:
        return of_mmdet.batch(dtype)
    finally:
        of_mmdet.SCALE = scale


def detected(head: YOLOV3Head, maps, metas):
    # It changes what it is given.
    results = head.predict_by_feat([m.clone() for m in maps], batch_img_metas=metas, rescale=True)
    return [(r.bboxes, r.scores, r.labels) for r in results]


def whole() -> dict:
    """Input, raw outputs and detections."""
    kept, found, raw = {"gain": np.array([GAIN], dtype=np.float32)}, [], []
    for dtype in (torch.float32, torch.float64):
        network = inputs.fill(Detector(), 1.0)
        for conv in network.bbox_head.convs_pred:
            conv.weight.data *= GAIN
        network.to(dtype)
        pixels, metas = batch(dtype)
        with torch.no_grad():
            maps = network(pixels)
            found.append(detected(network.bbox_head, maps, metas))
        raw.append(maps)
        if dtype == torch.float32:
            stored.keep(kept, "pixels", pixels, SAMPLES)
            kept["sizes"] = np.array([m["img_shape"] for m in metas], dtype=np.int64)
    for i, (single, exact) in enumerate(zip(*raw, strict=True)):
        torch.testing.assert_close(single.double(), exact, rtol=1e-4, atol=1e-5)
        stored.keep(kept, f"raw/{i}", single, SAMPLES)
    for i, (single, exactly) in enumerate(zip(*found, strict=True)):
        stored.check_detections(f"yolov3, picture {i}", single, exactly)
        stored.keep_detections(kept, f"detections/{i}", *single)
    return kept
