#!/usr/bin/env python3
"""The font of the labels on pictures: DejaVu Sans, cut down to Latin, Greek and Cyrillic.

matplotlib's wheel has the whole font with its licence. Written to assets/fonts: DejaVuSans-subset.ttf, LICENSE.

Command: python scripts/make_font.py        (seconds; matplotlib and fonttools of requirements-heads.txt)
"""

import argparse
import shutil
from pathlib import Path

import matplotlib
from fontTools import subset

FOLDER = Path(__file__).resolve().parent.parent / "assets" / "fonts"
# Basic Latin to Latin Extended-A, Greek, Cyrillic, dashes and quotes, the ellipsis, the multiplication sign's kin.
BLOCKS = ((0x20, 0x7E), (0xA0, 0x17F), (0x386, 0x3CE), (0x400, 0x45F), (0x2010, 0x2026))


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    options = subset.Options(layout_features=["kern"], hinting=False, notdef_outline=True, name_IDs=["*"])
    font = subset.load_font(str(fonts / "DejaVuSans.ttf"), options)
    font["name"].setName("DejaVu Sans Subset", 1, 3, 1, 0x409)
    font["name"].setName("DejaVu Sans Subset", 4, 3, 1, 0x409)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[code for first, last in BLOCKS for code in range(first, last + 1)])
    subsetter.subset(font)
    FOLDER.mkdir(parents=True, exist_ok=True)
    target = FOLDER / "DejaVuSans-subset.ttf"
    subset.save_font(font, str(target), options)
    shutil.copyfile(fonts / "LICENSE_DEJAVU", FOLDER / "LICENSE")
    print(f"{target.name}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
