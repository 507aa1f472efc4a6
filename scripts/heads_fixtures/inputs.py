"""What goes into the networks: weights, pictures, raw outputs and ground truth, all by formula."""

import numpy as np
import torch
from torch import nn

import formula
from converters.ghostnet import Architecture

# The narrowest backbone that the fixtures have.
NARROW = Architecture("v2", 25)
# Height and width of the two pictures of a batch.
PICTURES = ((70, 101), (53, 64))
# Objects of the first picture, in its own pixels: left, top, right, bottom, class. The second has none.
OBJECTS = (
    (4.0, 6.5, 60.0, 66.0, 3),
    (30.0, 20.0, 95.25, 58.0, 17),
    (50.0, 40.0, 62.0, 52.0, 17),
    (0.0, 0.0, 101.0, 70.0, 62),
    (80.0, 5.0, 90.0, 33.0, 1),
)
CLASS_BIAS = np.float32(-5)


def plain_name(key: str) -> str:
    """The name that a tensor's values are made from: timm's features_only joins stage numbers by an underscore."""
    return key.replace("blocks_", "blocks.")


def weight(key: str, shape: tuple[int, ...], class_gain: float) -> np.ndarray:
    """formula.py's rules, but that class scores are spread around a low bias, as a detector's are."""
    values = formula.tensor(plain_name(key), shape)
    if key.endswith(("cls_logits.weight", "retina_cls.weight")):
        return values * np.float32(class_gain)
    if key.endswith(("cls_logits.bias", "retina_cls.bias")):
        return values + CLASS_BIAS
    return values


def fill(model: nn.Module, class_gain: float) -> nn.Module:
    """The model in eval mode with every tensor filled by formula."""
    filled = {
        key: torch.from_numpy(np.asarray(weight(key, tuple(value.shape), class_gain)))
        for key, value in model.state_dict().items()
    }
    model.load_state_dict(filled)
    return model.eval()


def picture_bytes(number: int, height: int, width: int) -> np.ndarray:
    """Noise: [height, width, 3] bytes, floor((u + 1) * 128)."""
    values = formula.uniform(f"picture/{number}", (height, width, 3))
    return np.floor((values + np.float32(1)) * np.float32(128)).astype(np.uint8)


def pictures() -> list[np.ndarray]:
    return [picture_bytes(number, *size) for number, size in enumerate(PICTURES)]


def raw_outputs(classes: int, anchors: int, cells, spread: float, level: float, seed: str):
    """Logits and differences of one picture at each level, [1, anchors * classes, H, W] and [1, anchors * 4, H, W]."""
    logits, deltas = [], []
    for i, (height, width) in enumerate(cells):
        values = formula.uniform(f"{seed}/logits/{i}", (1, anchors * classes, height, width))
        logits.append(torch.from_numpy(values * np.float32(spread) + np.float32(level)))
        values = formula.uniform(f"{seed}/deltas/{i}", (1, anchors * 4, height, width))
        deltas.append(torch.from_numpy(values * np.float32(0.5)))
    return logits, deltas


def ground_truth(empty: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes [N, 4] and classes [N] of the first picture."""
    objects = () if empty else OBJECTS
    boxes = torch.tensor([box[:4] for box in objects], dtype=torch.float32).reshape(-1, 4)
    return boxes, torch.tensor([box[4] for box in objects], dtype=torch.int64)
