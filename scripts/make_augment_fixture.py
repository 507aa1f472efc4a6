#!/usr/bin/env python3
"""What Pillow makes of the colours of two pictures, for the Rust tests of train's RandAugment.

Pictures are 17 pixels high and 21 wide, their bytes by formula: `wide` (7 i + 31 (i // 97)) % 251, `narrow` 90 + that
% 60. Each operation has its name, and where it takes a number, that behind a blank, as the tests read it.

Written to train/tests/fixtures/augment.safetensors: u8 [17, 21, 3] by "PICTURE/OPERATION [NUMBER]".
Command: python scripts/make_augment_fixture.py        (Pillow 13.0.0, numpy; versions in requirements.txt)
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps
from safetensors.numpy import save_file

FACTORS = (0.1, 0.55, 1.0, 1.27, 1.9)


def solarize_add(picture: Image.Image, added: int) -> Image.Image:
    """timm's: values below 128 and some."""
    return picture.point([min(255, value + added) if value < 128 else value for value in range(256)] * 3)


def results(picture: Image.Image) -> dict[str, Image.Image]:
    found = {
        "auto-contrast": ImageOps.autocontrast(picture),
        "equalize": ImageOps.equalize(picture),
        "invert": ImageOps.invert(picture),
    }
    found |= {f"posterize {bits}": ImageOps.posterize(picture, bits) for bits in (1, 3, 4, 7)}
    found |= {f"solarize {limit}": ImageOps.solarize(picture, limit) for limit in (0, 100, 230, 256)}
    found |= {f"solarize-add {added}": solarize_add(picture, added) for added in (30, 110)}
    for name in ("Brightness", "Contrast", "Color", "Sharpness"):
        enhancer = getattr(ImageEnhance, name)(picture)
        found |= {f"{name.lower()} {factor}": enhancer.enhance(factor) for factor in FACTORS}
    return found


def main() -> None:
    i = np.arange(17 * 21 * 3)
    wide = ((7 * i + 31 * (i // 97)) % 251).astype(np.uint8)
    pictures = {"wide": wide, "narrow": (90 + wide % 60).astype(np.uint8)}
    stored = {}
    for name, values in pictures.items():
        for operation, made in results(Image.fromarray(values.reshape(17, 21, 3))).items():
            stored[f"{name}/{operation}"] = np.asarray(made)
    target = Path(__file__).parents[1] / "train/tests/fixtures/augment.safetensors"
    save_file(stored, target, metadata={"made_by": "scripts/make_augment_fixture.py, Pillow 13.0.0"})
    print(f"{len(stored)} pictures, {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
