"""Where fixtures of training go, and what they tell of themselves."""

import json
import platform
from pathlib import Path

import numpy as np
import safetensors
import timm
import torch
import torchvision
from safetensors.numpy import save_file

FIXTURES = Path(__file__).resolve().parents[2] / "train" / "tests" / "fixtures"


def save(name: str, kept: dict[str, np.ndarray], command: str) -> None:
    """Writes a fixture; one metadata entry only, because safetensors writes several in a random order."""
    path = FIXTURES / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    versions = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "timm": timm.__version__,
        "numpy": np.__version__,
        "safetensors": safetensors.__version__,
    }
    about = json.dumps({"command": command, "versions": versions}, sort_keys=True)
    save_file(kept, path, metadata={"about": about})
    path.chmod(0o644)
    print(f"{path.name}: {len(kept)} tensors, {path.stat().st_size:,} bytes")
