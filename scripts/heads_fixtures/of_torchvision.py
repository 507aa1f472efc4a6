"""torchvision's RetinaNet around timm's narrowest GhostNetV2."""

import numpy as np
import torch
from torchvision.models.detection.retinanet import RetinaNet
from torchvision.ops.boxes import _batched_nms_vanilla

from originals import of_timm
from originals.of_torchvision import retinanet

from . import inputs, stored
from .inputs import NARROW

CLASSES = 91
WIDTHS = {"v1": 32, "v2": 128}
MIN_SIZE, MAX_SIZE = 96, 160
SAMPLES = 256
# How far class scores are spread: group norms do that too.
CLASS_GAINS = {"v1": 2.0, "v2": 0.7}
# Tensors whose gradients are kept: one of each kind.
GRADIENTS = (
    "backbone.body.conv_stem.weight",
    "backbone.body.blocks_3.0.ghost1.short_conv.2.weight",
    "backbone.body.blocks_7.0.ghost2.primary_conv.0.weight",
    "backbone.fpn.inner_blocks.0.0.weight",
    "backbone.fpn.inner_blocks.2.0.bias",
    "backbone.fpn.layer_blocks.1.0.weight",
    "backbone.fpn.extra_blocks.p6.weight",
    "backbone.fpn.extra_blocks.p7.bias",
    "head.classification_head.conv.0.0.weight",
    "head.classification_head.cls_logits.weight",
    "head.classification_head.cls_logits.bias",
    "head.regression_head.conv.3.0.weight",
    "head.regression_head.bbox_reg.weight",
    "head.regression_head.bbox_reg.bias",
)


def network(version: str) -> RetinaNet:
    """v1 is 32 channels wide, v2 128."""
    body = of_timm.features(NARROW, (2, 3, 4))
    model = retinanet(version, body, CLASSES, WIDTHS[version], min_size=MIN_SIZE, max_size=MAX_SIZE)
    return inputs.fill(model, CLASS_GAINS[version])


def tensors(dtype: torch.dtype) -> list[torch.Tensor]:
    """The pictures as torchvision takes them: [3, H, W] from 0 to 1."""
    return [torch.from_numpy(p).permute(2, 0, 1).to(torch.float32).div(255).to(dtype) for p in inputs.pictures()]


def detected(model: RetinaNet, dtype: torch.dtype):
    with torch.no_grad():
        found = model(tensors(dtype))
    return [(d["boxes"], d["scores"], d["labels"]) for d in found]


def whole(version: str) -> dict:
    """Input, raw outputs and detections; losses and gradients with one picture full and one empty."""
    model, exact, kept = network(version), network(version).double(), {}
    kept["class_gain"] = np.array([CLASS_GAINS[version]], dtype=np.float32)
    with torch.no_grad():
        images, _ = model.transform(tensors(torch.float32))
        stored.keep(kept, "pixels", images.tensors, SAMPLES)
        kept["sizes"] = np.array(images.image_sizes, dtype=np.int64)
        outputs = model.head(list(model.backbone(images.tensors).values()))
        exact_images, _ = exact.transform(tensors(torch.float64))
        exact_outputs = exact.head(list(exact.backbone(exact_images.tensors).values()))
    for key, name in (("logits", "cls_logits"), ("deltas", "bbox_regression")):
        stored.keep(kept, key, outputs[name], 4 * SAMPLES)
        # Half of what the tests allow: group norms of P7, a single cell, divide by hardly anything.
        torch.testing.assert_close(outputs[name].double(), exact_outputs[name], rtol=1e-4, atol=5e-5)
    pairs = zip(detected(model, torch.float32), detected(exact, torch.float64), strict=True)
    for i, (found, exactly) in enumerate(pairs):
        stored.check_detections(f"torchvision {version}, picture {i}", found, exactly)
        stored.keep_detections(kept, f"detections/{i}", *found)

    boxes, labels = inputs.ground_truth()
    nothing, none = inputs.ground_truth(empty=True)
    targets = [{"boxes": boxes, "labels": labels}, {"boxes": nothing, "labels": none}]
    exact_losses, exact_gradients = learnt(exact, torch.float64, targets)
    losses, gradients = learnt(model, torch.float32, targets)
    torch.testing.assert_close(losses.double(), exact_losses, rtol=2e-5, atol=0)
    kept["losses"] = losses.numpy()
    for name, gradient in gradients.items():
        size = exact_gradients[name].abs().mean().item()
        torch.testing.assert_close(gradient.double(), exact_gradients[name], rtol=1e-3, atol=1e-3 * size)
        stored.keep(kept, f"gradient/{inputs.plain_name(name)}", gradient, 16)
    return kept


def learnt(model: RetinaNet, dtype: torch.dtype, targets) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Both losses, and the gradients of their sum; batch norms keep their running statistics."""
    model.train()
    model.backbone.eval()
    model.zero_grad()
    targets = [{"boxes": t["boxes"].to(dtype), "labels": t["labels"]} for t in targets]
    losses = model(tensors(dtype), targets)
    sum(losses.values()).backward()
    parameters = dict(model.named_parameters())
    model.eval()
    values = torch.stack([losses["classification"], losses["bbox_regression"]]).detach()
    return values, {name: parameters[name].grad.clone() for name in GRADIENTS}


def rows(maps: list[torch.Tensor], width: int) -> torch.Tensor:
    """[B, A * width, H, W] of each level as [B, N, width], as torchvision's heads give it."""
    levels = []
    for m in maps:
        b, _, h, w = m.shape
        levels.append(m.view(b, -1, width, h, w).permute(0, 3, 4, 1, 2).reshape(b, -1, width))
    return torch.cat(levels, dim=1)


def heads(kept: dict) -> None:
    """Detections and losses from raw outputs that are the same to the bit here and there."""
    size, cells = (64, 96), ((8, 12), (4, 6), (2, 3), (1, 2), (1, 1))
    model = network("v1")
    grids = [torch.empty(1, 1, *c) for c in cells]
    images = type("Images", (), {"tensors": torch.empty(1, 3, *size), "image_sizes": [size]})
    anchors = model.anchor_generator(images, grids)
    stored.keep(kept, "torchvision/anchors", anchors[0], 1024)

    logits, deltas = inputs.raw_outputs(CLASSES, 9, cells, 4.0, -4.0, "detect")
    per_level = [9 * h * w for h, w in cells]

    def found(dtype):
        outputs = {
            "cls_logits": list(rows(logits, CLASSES).to(dtype).split(per_level, dim=1)),
            "bbox_regression": list(rows(deltas, 4).to(dtype).split(per_level, dim=1)),
        }
        split = [list(anchors[0].to(dtype).split(per_level))]
        d = model.postprocess_detections(outputs, split, [(60, 90)])[0]
        return d["boxes"], d["scores"], d["labels"]

    single = found(torch.float32)
    stored.check_detections("torchvision, raw", single, found(torch.float64))
    stored.keep_detections(kept, "torchvision/detections", *single)

    logits, deltas = inputs.raw_outputs(CLASSES, 9, cells, 3.0, -3.0, "learn")
    for loss, empty in (("l1", False), ("giou", False), ("l1", True), ("giou", True)):
        model.head.regression_head._loss_type = loss
        boxes, labels = inputs.ground_truth(empty)
        boxes = boxes * torch.tensor([96 / 101, 64 / 70, 96 / 101, 64 / 70], dtype=torch.float32)
        for m in (*logits, *deltas):
            m.requires_grad_().grad = None
        outputs = {"cls_logits": rows(logits, CLASSES), "bbox_regression": rows(deltas, 4)}
        losses = model.compute_loss([{"boxes": boxes, "labels": labels}], outputs, anchors)
        sum(losses.values()).backward()
        key = f"torchvision/{loss}{'/empty' if empty else ''}"
        kept[f"{key}/losses"] = torch.stack(list(losses.values())).detach().numpy()
        for i, (l, d) in enumerate(zip(logits, deltas, strict=True)):
            stored.keep(kept, f"{key}/logits/{i}", l.grad, 64)
            stored.keep(kept, f"{key}/deltas/{i}", d.grad, 64)


def suppressed(kept: dict) -> None:
    """Which of 300 boxes of 5 classes survive; some are equal, some have no area, some scores tie."""
    import formula

    u = formula.uniform("nms", (300, 6))
    corner, side = (u[:, :2] + np.float32(1)) * np.float32(40), (u[:, 2:4] + np.float32(1)) * np.float32(15)
    boxes = np.concatenate([corner, corner + side], axis=1)
    boxes[10:20] = boxes[0:10]
    boxes[20:25, 2] = boxes[20:25, 0]
    scores = np.round(np.abs(u[:, 4]) * np.float32(64)) / np.float32(64)
    classes = np.floor((u[:, 5] + np.float32(1)) * np.float32(2.5)).astype(np.int64)
    kept["nms/boxes"], kept["nms/scores"], kept["nms/classes"] = boxes, scores.astype(np.float32), classes
    for percent in (0, 20, 50, 80):
        survivors = [
            index
            for c in range(5)
            for index in _survivors(boxes[classes == c], scores[classes == c], np.flatnonzero(classes == c), percent)
        ]
        # torchvision sorts the survivors of all classes again, but not stably: ties by the first number.
        survivors.sort(key=lambda i: (-scores[i], i))
        arrays = (torch.from_numpy(boxes), torch.from_numpy(scores.astype(np.float32)), torch.from_numpy(classes))
        assert set(survivors) == set(_batched_nms_vanilla(*arrays, percent / 100).tolist())
        kept[f"nms/{percent}"] = np.array(survivors, dtype=np.int64)


def _survivors(boxes, scores, numbers, percent):
    from torchvision.ops import nms

    kept = nms(torch.from_numpy(boxes), torch.from_numpy(scores.astype(np.float32)), percent / 100)
    return numbers[kept.numpy()].tolist()
