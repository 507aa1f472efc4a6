"""What Pillow makes of a folder of awkward and broken files."""

import hashlib
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

# Enough to tell pictures apart.
HASH_DIGITS = 16


def make(folder: Path) -> list:
    warnings.simplefilter("ignore")
    paths = sorted(path for path in folder.glob("*/*") if path.is_file())
    return [{"file": path.relative_to(folder).as_posix()} | verdict(path) for path in paths]


def verdict(path: Path) -> dict:
    """Size and hash of the RGB pixels, or the error."""
    try:
        with Image.open(path) as image:
            pixels = np.asarray(scaled(image).convert("RGB"))
    except Exception as error:  # Pillow raises many kinds.
        return {"refused": type(error).__name__}
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()[:HASH_DIGITS]
    return {"width": width, "height": height, "sha256": digest}


def scaled(image: Image.Image) -> Image.Image:
    """16-bit gray as 8-bit gray: scaled, where Pillow's own conversion clips."""
    if not image.mode.startswith("I;16"):
        return image
    levels = np.asarray(image).astype(np.uint32)
    return Image.fromarray(((levels + 128) // 257).astype(np.uint8))
