"""mmdetection's YOLOv3 for small backbones around timm's narrowest GhostNetV2."""

import numpy as np
import torch

from originals import of_timm
from originals.of_mmdet import YoloV3

from . import inputs, of_mmdet, stored
from .inputs import NARROW

from mmdet.models.dense_heads.yolo_head import YOLOV3Head

CLASSES = 80
SIDE = 160
SAMPLES = 1024
# On the weights of the raw outputs, which otherwise hardly differ.
GAIN = 16.0


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
        network = inputs.fill(YoloV3(of_timm.features(NARROW, (2, 3, 4)), CLASSES), 1.0)
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
