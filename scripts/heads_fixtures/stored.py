"""How a fixture is stored: the form of fixture_models.py, with detections and checks of its own."""

import json
import platform
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

import fixture_models

FIXTURES = Path(__file__).resolve().parents[2] / "heads" / "tests" / "fixtures"


def keep(kept: dict, key: str, values: torch.Tensor, samples: int | None = None) -> None:
    """Adds a tensor: all of it, or samples where it is larger than those."""
    whole = samples is None or values.numel() <= samples
    fixture_models.keep(kept, key, values, None if whole else samples)


def keep_detections(kept: dict, key: str, boxes, scores, labels) -> None:
    """Adds the detections of a picture, in their order."""
    kept[f"{key}/boxes"] = boxes.detach().numpy().astype(np.float32).reshape(-1, 4)
    kept[f"{key}/scores"] = scores.detach().numpy().astype(np.float32)
    kept[f"{key}/labels"] = labels.numpy().astype(np.int64)


def check_detections(key: str, found, exact) -> None:
    """Stops where rounding alone changes what is detected: (boxes, scores, labels) in f32 and in f64."""
    (boxes, scores, labels), (exact_boxes, exact_scores, exact_labels) = found, exact
    if labels.tolist() != exact_labels.tolist():
        raise SystemExit(f"{key}: f32 and f64 disagree on the detections: choose other pictures")
    if len(labels) < 20:
        raise SystemExit(f"{key}: only {len(labels)} detections, which would test little")
    worst = (boxes.double() - exact_boxes).abs().max().item()
    if worst > 3e-3:
        raise SystemExit(f"{key}: boxes of f32 are {worst} pixels off")
    gaps = (exact_scores[:-1] - exact_scores[1:]).min().item()
    if gaps < 1e-8:
        raise SystemExit(f"{key}: two scores differ by {gaps} only: their order would be chance")
    torch.testing.assert_close(scores.double(), exact_scores, rtol=1e-4, atol=1e-6)
    print(f"{key}: {len(labels)} detections, scores {exact_scores.max():.3f} to {exact_scores.min():.3f}")


def save(task: str, name: str, kept: dict, versions: dict) -> None:
    """Writes a fixture of `detection` or `segmentation`."""
    path = FIXTURES / task / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "command": f"python scripts/make_{task}_fixtures.py",
        "versions": {"python": platform.python_version(), **versions},
    }
    save_file(kept, path, metadata={"about": json.dumps(about, sort_keys=True)})
    path.chmod(0o644)
    print(f"{path.name}: {len(kept)} tensors, {path.stat().st_size:,} bytes")
