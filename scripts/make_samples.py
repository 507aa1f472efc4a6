#!/usr/bin/env python3
"""The sample pictures of assets/samples, taken from the scikit-image wheel.

All are CC0 or public domain by the word of scikit-image's own documentation; assets/samples/README.md quotes it. A JPEG
or PNG of at most 300 kB is copied byte for byte; a larger one is saved as a JPEG of quality 90, its long side at most
640 pixels.

Command: python scripts/make_samples.py        (versions in requirements.txt)
"""

import argparse
import hashlib
from pathlib import Path

import skimage
from PIL import Image

OUTPUT = Path(__file__).resolve().parent.parent / "assets" / "samples"
NAMES = ("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "rocket.jpg")
MAX_BYTES = 300_000
MAX_SIDE = 640
QUALITY = 90


def write_sample(source: Path, output: Path) -> Path:
    """Copies a picture, or saves it smaller; the path that was written."""
    content = source.read_bytes()
    if len(content) <= MAX_BYTES:
        target = output / source.name
        target.write_bytes(content)
        return target
    target = output / f"{source.stem}.jpg"
    with Image.open(source) as picture:
        picture = picture.convert("RGB")
    picture.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    picture.save(target, quality=QUALITY, subsampling=0, optimize=True)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=OUTPUT, help="the folder to write to (default: assets/samples)")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    folder = Path(skimage.__file__).parent / "data"
    for name in NAMES:
        target = write_sample(folder / name, args.output)
        with Image.open(target) as picture:
            form = f"{picture.format} {picture.mode} {picture.width}x{picture.height}"
        content = target.read_bytes()
        print(f"{target.name}: {form}, {len(content):,} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
