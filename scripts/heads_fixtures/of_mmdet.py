"""mmdetection's RetinaNet around timm's narrowest GhostNetV2."""

import numpy as np
import torch

from originals import of_timm
from originals.of_mmdet import RetinaNet

from . import inputs, stored
from .inputs import NARROW

import mmcv
from mmdet.models.dense_heads.retina_head import RetinaHead
from mmdet.structures.bbox import scale_boxes  # noqa: F401, registers the box types
from mmengine.structures import InstanceData

CLASSES = 80
SCALE = (160, 96)
CHANNELS = 32
SAMPLES = 256
CLASS_GAIN = 2.8
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
GRADIENTS = (
    "backbone.timm_model.conv_stem.weight",
    "backbone.timm_model.blocks_7.0.ghost2.primary_conv.0.weight",
    "neck.lateral_convs.0.conv.weight",
    "neck.fpn_convs.1.conv.weight",
    "neck.fpn_convs.3.conv.weight",
    "neck.fpn_convs.4.conv.bias",
    "bbox_head.cls_convs.0.conv.weight",
    "bbox_head.reg_convs.3.conv.weight",
    "bbox_head.retina_cls.bias",
    "bbox_head.retina_reg.weight",
)


def network() -> RetinaNet:
    return inputs.fill(RetinaNet(of_timm.features(NARROW, (1, 2, 3, 4)), CLASSES, CHANNELS), CLASS_GAIN)


def batch(dtype: torch.dtype) -> tuple[torch.Tensor, list[dict]]:
    """What the test pipeline and the data preprocessor make of the pictures."""
    scaled, metas = [], []
    for picture in inputs.pictures():
        (h, w), resized = picture.shape[:2], mmcv.imrescale(picture, SCALE)
        new_h, new_w = resized.shape[:2]
        pad = tuple(int(np.ceil(side / 32)) * 32 for side in (new_h, new_w))
        metas.append(
            {"ori_shape": (h, w), "img_shape": (new_h, new_w), "pad_shape": pad, "scale_factor": (new_w / w, new_h / h)}
        )
        x = torch.from_numpy(resized).permute(2, 0, 1).to(dtype)
        mean, std = (torch.tensor(v, dtype=dtype).view(-1, 1, 1) for v in (MEAN, STD))
        scaled.append((x - mean) / std)
    height, width = (max(m["pad_shape"][axis] for m in metas) for axis in (0, 1))
    pixels = torch.zeros(len(scaled), 3, height, width, dtype=dtype)
    for pixel, x in zip(pixels, scaled, strict=True):
        pixel[:, : x.shape[1], : x.shape[2]] = x
    return pixels, metas


def detected(head: RetinaHead, logits, deltas, metas, rescale):
    results = head.predict_by_feat(list(logits), list(deltas), batch_img_metas=metas, rescale=rescale)
    return [(r.bboxes, r.scores, r.labels) for r in results]


def ground_truth(meta: dict, empty: bool, dtype=torch.float32) -> InstanceData:
    boxes, labels = inputs.ground_truth(empty)
    scale = torch.tensor(meta["scale_factor"] * 2, dtype=dtype)
    return InstanceData(bboxes=boxes.to(dtype) * scale, labels=labels)


def summed(losses: dict) -> torch.Tensor:
    return torch.stack([sum(losses["loss_cls"]), sum(losses["loss_bbox"])])


def whole() -> dict:
    """Input, raw outputs and detections; losses and gradients with one picture full and one empty."""
    model, exact, kept = network(), network().double(), {}
    kept["class_gain"] = np.array([CLASS_GAIN], dtype=np.float32)
    found, gradients, losses = [], [], []
    for detector, dtype in ((model, torch.float32), (exact, torch.float64)):
        pixels, metas = batch(dtype)
        logits, deltas = detector(pixels)
        truth = [ground_truth(metas[0], False, dtype), ground_truth(metas[1], True, dtype)]
        loss = summed(detector.bbox_head.loss_by_feat(logits, deltas, truth, metas))
        loss.sum().backward()
        losses.append(loss.detach())
        parameters = dict(detector.named_parameters())
        gradients.append({name: parameters[name].grad for name in GRADIENTS})
        with torch.no_grad():
            found.append(detected(detector.bbox_head, logits, deltas, metas, True))
        if detector is model:
            stored.keep(kept, "pixels", pixels, SAMPLES)
            kept["sizes"] = np.array([m["img_shape"] for m in metas], dtype=np.int64)
            for i, (l, d) in enumerate(zip(logits, deltas, strict=True)):
                stored.keep(kept, f"logits/{i}", l, SAMPLES)
                stored.keep(kept, f"deltas/{i}", d, SAMPLES)
    for i, (single, exactly) in enumerate(zip(*found, strict=True)):
        stored.check_detections(f"mmdet, picture {i}", single, exactly)
        stored.keep_detections(kept, f"detections/{i}", *single)
    torch.testing.assert_close(losses[0].double(), losses[1], rtol=2e-5, atol=0)
    kept["losses"] = losses[0].numpy()
    for name in GRADIENTS:
        size = gradients[1][name].abs().mean().item()
        torch.testing.assert_close(gradients[0][name].double(), gradients[1][name], rtol=1e-3, atol=1e-3 * size)
        stored.keep(kept, f"gradient/{inputs.plain_name(name)}", gradients[0][name], 16)
    return kept


def heads(kept: dict) -> None:
    """Detections and losses from raw outputs that are the same to the bit here and there."""
    cells = ((8, 12), (4, 6), (2, 3), (1, 2), (1, 1))
    head = network().bbox_head
    anchors = head.prior_generator.grid_priors([torch.Size(c) for c in cells], device="cpu")
    stored.keep(kept, "mmdet/anchors", torch.cat(anchors), 1024)

    meta = {"img_shape": (60, 90), "pad_shape": (64, 96), "scale_factor": (1.0, 1.0), "ori_shape": (60, 90)}
    logits, deltas = inputs.raw_outputs(CLASSES, 9, cells, 4.0, -4.0, "detect")
    with torch.no_grad():
        single = detected(head, logits, deltas, [meta], False)[0]
        double = ([m.double() for m in maps] for maps in (logits, deltas))
        stored.check_detections("mmdet, raw", single, detected(head, *double, [meta], False)[0])
    stored.keep_detections(kept, "mmdet/detections", *single)

    logits, deltas = inputs.raw_outputs(CLASSES, 9, cells, 3.0, -3.0, "learn")
    meta = {**meta, "scale_factor": (96 / 101, 64 / 70)}
    for empty in (False, True):
        for m in (*logits, *deltas):
            m.requires_grad_().grad = None
        losses = summed(head.loss_by_feat(logits, deltas, [ground_truth(meta, empty)], [meta]))
        losses.sum().backward()
        key = f"mmdet/l1{'/empty' if empty else ''}"
        kept[f"{key}/losses"] = losses.detach().numpy()
        for i, (l, d) in enumerate(zip(logits, deltas, strict=True)):
            stored.keep(kept, f"{key}/logits/{i}", l.grad, 64)
            stored.keep(kept, f"{key}/deltas/{i}", d.grad, 64)


def resized(kept: dict) -> None:
    """Bytes as OpenCV resizes them: up, down, by a half, and along one axis only."""
    for number, ((h, w), (new_h, new_w)) in enumerate(
        (((23, 31), (40, 17)), ((40, 36), (20, 18)), ((37, 29), (9, 8)), ((5, 64), (5, 33)), ((1, 7), (12, 50)))
    ):
        picture = inputs.picture_bytes(number, h, w)
        kept[f"{number}/from"], kept[f"{number}/to"] = picture, mmcv.imresize(picture, (new_w, new_h))
