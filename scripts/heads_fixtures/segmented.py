"""What both segmentation networks share: weights, the picture, and how results are kept."""

import numpy as np
import torch
from torch import nn

import fixture_models
import formula
from heads_fixtures import inputs, stored

# A smooth picture, so that labels come in patches, and not from pixel to pixel.
PICTURE = (140, 202)
SAMPLES = 1024


def weight(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """formula.py's rules for timm's own names."""
    return formula.tensor(inputs.plain_name(key), shape)


def fill(model: nn.Module) -> nn.Module:
    """The model in eval mode with every tensor filled by formula."""
    filled = {
        key: torch.from_numpy(np.asarray(weight(key, tuple(value.shape))))
        for key, value in model.state_dict().items()
    }
    model.load_state_dict(filled)
    return model.eval()


def picture() -> np.ndarray:
    """[height, width, 3] bytes: noise of 10x14 pixels, each repeated over a square of up to 15x15."""
    coarse = formula.uniform("picture", (10, 14, 3))
    noise = np.floor((coarse + np.float32(1)) * np.float32(128)).astype(np.uint8)
    height, width = PICTURE
    return np.ascontiguousarray(noise.repeat(15, 0).repeat(15, 1)[:height, :width])


def logits(classes: int) -> torch.Tensor:
    return torch.from_numpy(formula.uniform("logits", (2, classes, 7, 9)) * np.float32(4))


def labels(classes: int, unlabelled: bool) -> torch.Tensor:
    """[2, 26, 33]: classes by formula, of which one in `classes + 1` is none."""
    u = formula.uniform("labels", (2, 26, 33))
    drawn = np.floor((u + np.float32(1)) * np.float32((classes + 1) / 2)).astype(np.int64)
    drawn[drawn == classes] = 255
    return torch.from_numpy(np.full_like(drawn, 255) if unlabelled else drawn)


def keep(kept: dict, pixels: torch.Tensor, logits: torch.Tensor, key: str = "quarter") -> None:
    """Adds the input and the logits of the network."""
    stored.keep(kept, "pixels", pixels, SAMPLES)
    stored.keep(kept, key, logits, SAMPLES)
    kept[f"{key}.exact"] = logits.numpy()


def check(exact: torch.Tensor, kept: dict, key: str = "quarter") -> None:
    """Stops where f32 strays from f64 by a tenth of what the tests allow."""
    fixture_models.check_precision(key, torch.from_numpy(kept.pop(f"{key}.exact")), exact)


def keep_labels(kept: dict, key: str, found: torch.Tensor, exact: torch.Tensor) -> None:
    """Adds a label map; stops where rounding alone changes it, or where it says little."""
    differ, classes = (found != exact).sum().item(), exact.unique().numel()
    if differ > 1 or classes < 5:
        raise SystemExit(f"{key}: f32 and f64 differ in {differ} pixels, {classes} classes: choose another picture")
    print(f"{key}: {classes} classes, {differ} pixels in which f32 and f64 differ")
    kept[key] = exact.numpy().astype(np.uint8)


def keep_gradient(kept: dict, key: str, gradient: torch.Tensor) -> None:
    stored.keep(kept, key, gradient, 256)
