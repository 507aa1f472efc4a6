#!/usr/bin/env python3
"""Makes the fixtures of the tests `picture` and `preprocess` of the crate `ghostnetv2`.

    python3 scripts/make_picture_fixtures.py ghostnetv2/tests/fixtures/pictures
    python3 scripts/make_picture_fixtures.py FOLDER --hostile DATA/hostile

Writes into the folder, and says so:

- small picture files in every format, and `files.json` with what Pillow makes of them;
- `transforms.json`: what Pillow's resize and timm's evaluation transform make of pictures that
  follow a formula, which the tests know, too;
- with `--hostile`, `hostile.json`: what Pillow makes of a folder of awkward and broken files.

Pictures are stored as the SHA-256 of their bytes, and 16 of the bytes. With the versions below,
a second run writes the same bytes.

    pip install pillow==13.0.0 timm==1.0.31 torch==2.15.0 torchvision==0.29.2 numpy==2.4.6
"""

import argparse
import json
import platform
from pathlib import Path

import numpy
import PIL
import timm
import torch
import torchvision
from PIL import features

from picture_fixtures import files, hostile, transforms


def versions() -> dict:
    """What the fixtures depend on."""
    return {
        "python": platform.python_version(),
        "pillow": PIL.__version__,
        "libjpeg_turbo": features.version("libjpeg_turbo"),
        "libwebp": features.version("webp"),
        "libtiff": features.version("libtiff"),
        "timm": timm.__version__,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": numpy.__version__,
    }


def write(path: Path, made_with: dict, cases: list) -> None:
    """Writes one case per line, so that a change is one line in a comparison."""
    lines = ",\n".join(json.dumps(case) for case in cases)
    path.write_text(f'{{"made_with": {json.dumps(made_with)},\n"cases": [\n{lines}\n]}}\n')
    print(f"{path}: {len(cases)} cases")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the fixtures go")
    parser.add_argument("--hostile", type=Path, help="a folder of awkward and broken files")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    made_with = versions()
    for name, version in made_with.items():
        print(f"{name} {version}")
    write(arguments.folder / "files.json", made_with, files.make(arguments.folder))
    write(arguments.folder / "transforms.json", made_with, transforms.make())
    if arguments.hostile:
        write(arguments.folder / "hostile.json", made_with, hostile.make(arguments.hostile))


if __name__ == "__main__":
    main()
