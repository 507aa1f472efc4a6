"""What each network learns from: batches by formula, and objectives that are PyTorch's and torchvision's own."""

from dataclasses import dataclass
from typing import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.retinanet import RetinaNet, RetinaNetHead, _default_anchorgen

import formula
from training_fixtures import networks

CLASSES = 5


def numbers(name: str, count: int, below: int) -> np.ndarray:
    """Whole numbers below a limit: floor((u + 1) * below / 2), computed in f32."""
    u = formula.uniform(name, (count,))
    return np.floor((u + np.float32(1)) * np.float32(below / 2)).astype(np.int64)


def pictures(batch: int, shown: np.ndarray) -> torch.Tensor:
    """[count, 3, height, width]: half of u named `batch/NUMBER`, plus u named `class/NUMBER` over [3], the colour of
    the class that `shown` [count, height, width] has there; others have none."""
    count, height, width = shown.shape
    images = formula.uniform(f"batch/{batch}", (count, 3, height, width)) * np.float32(0.5)
    for number in range(CLASSES):
        colour = formula.uniform(f"class/{number}", (3,)).reshape(1, 3, 1, 1)
        images = np.where((shown == number)[:, None], images + colour, images)
    return torch.from_numpy(images)


def classification(model: nn.Module, dtype: torch.dtype, batch: int, count: int, size: tuple[int, int]) -> torch.Tensor:
    """Cross entropy with labels smoothed by a tenth."""
    labels = numbers(f"batch/{batch}/labels", count, CLASSES)
    images = pictures(batch, np.broadcast_to(labels[:, None, None], (count, *size)))
    return F.cross_entropy(model(images.to(dtype)), torch.from_numpy(labels), label_smoothing=0.1)


def boxes(batch: int, picture: int, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Two objects of a picture, at least 16 pixels a side; ties of overlaps are exact, as all numbers are whole."""
    height, width = size
    found, labels = [], []
    for i in range(2):
        key = f"batch/{batch}/{picture}/{i}"
        x, w = (int(numbers(f"{key}/{part}", 1, width // 2)[0]) for part in "xw")
        y, h = (int(numbers(f"{key}/{part}", 1, height // 2)[0]) for part in "yh")
        found.append((x, y, x + max(w, 16), y + max(h, 16)))
        labels.append(int(numbers(f"{key}/class", 1, CLASSES)[0]))
    return torch.tensor(found, dtype=torch.float32), torch.tensor(labels)


def detection(model: nn.Module, dtype: torch.dtype, batch: int, count: int, size: tuple[int, int]) -> torch.Tensor:
    """torchvision's RetinaNet losses with its anchors and generalised IoU; the last picture has no objects."""
    targets, shown = [], np.full((count, *size), -1)
    for i in range(count):
        found, labels = boxes(batch, i, size)
        if i + 1 == count:
            found, labels = found[:0], labels[:0]
        for (left, top, right, bottom), label in zip(found.int().tolist(), labels.tolist(), strict=True):
            shown[i, top:bottom, left:right] = label
        targets.append({"boxes": found.to(dtype), "labels": labels})
    images = pictures(batch, shown).to(dtype)
    logits, deltas = model(images)

    def rows(maps, width):
        levels = [
            m.view(len(images), -1, width, *m.shape[-2:]).permute(0, 3, 4, 1, 2).reshape(len(images), -1, width)
            for m in maps
        ]
        return torch.cat(levels, dim=1)

    generator = _default_anchorgen()
    anchors = [a.to(images.dtype) for a in generator(ImageList(images, [size] * len(images)), logits)]
    losses = OBJECTIVE.compute_loss(
        targets, {"cls_logits": rows(logits, CLASSES), "bbox_regression": rows(deltas, 4)}, anchors
    )
    return losses["classification"] + losses["bbox_regression"]


def _objective() -> RetinaNet:
    # Only its matcher, box coder and losses are used; its anchors are torchvision's own.
    backbone = nn.Module()
    backbone.out_channels = 8
    head = RetinaNetHead(8, 9, CLASSES)
    head.regression_head._loss_type = "giou"
    return RetinaNet(backbone, CLASSES, head=head)


OBJECTIVE = _objective()


def segmentation(model: nn.Module, dtype: torch.dtype, batch: int, count: int, size: tuple[int, int]) -> torch.Tensor:
    """Cross entropy of logits enlarged to the input's size; one square of 16x16 pixels in six has no class."""
    coarse = (count, -(-size[0] // 16), -(-size[1] // 16))
    labels = numbers(f"batch/{batch}/labels", int(np.prod(coarse)), CLASSES + 1).reshape(coarse)
    labels = labels.repeat(16, 1).repeat(16, 2)[:, : size[0], : size[1]]
    labels = np.where(labels == CLASSES, 255, labels)
    logits = F.interpolate(model(pictures(batch, labels).to(dtype)), size=size, mode="bilinear", align_corners=False)
    return F.cross_entropy(logits, torch.from_numpy(labels), ignore_index=255)


@dataclass(frozen=True)
class Task:
    """A network, and what it learns from: loss(model, type, number of the batch, pictures, size)."""

    name: str
    network: Callable[[float], nn.Module]
    loss: Callable[[nn.Module, torch.dtype, int, int, tuple[int, int]], torch.Tensor]


TASKS = (
    Task("classifier", lambda width: networks.classifier(width, CLASSES), classification),
    Task("detector", lambda width: networks.Detector(width, 32, CLASSES), detection),
    Task("segmenter", lambda width: networks.Segmenter(width, 32, 16, CLASSES), segmentation),
)
