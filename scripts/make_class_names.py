#!/usr/bin/env python3
"""The 1000 ImageNet classes in class order: assets/imagenet1k_classes.txt.

Each line is a WordNet id, a tab, and the class's names as WordNet has them, separated by commas. The source is the data
that timm carries (timm.data.ImageNetInfo, Apache-2.0); the names are WordNet's (WordNet licence, Princeton University).

Command: python scripts/make_class_names.py [--check FILE]    (versions in requirements.txt)
With --check, a second source of the form `WNID NAMES` per line, such as Caffe's synset_words.txt, has to be equal.
"""

import argparse
from pathlib import Path

from timm.data import ImageNetInfo

OUTPUT = Path(__file__).resolve().parent.parent / "assets" / "imagenet1k_classes.txt"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=OUTPUT, help="the file to write (default: the one in assets)")
    parser.add_argument("--check", type=Path, help="a second list to compare with")
    args = parser.parse_args()

    info = ImageNetInfo()
    classes = [(info.index_to_label_name(i), info.index_to_description(i)) for i in range(info.num_classes())]
    if args.check:
        other = [tuple(line.split(" ", 1)) for line in args.check.read_text(encoding="utf-8").splitlines()]
        if other != classes:
            raise SystemExit(f"{args.check} names other classes than timm, or in another order")
        print(f"{args.check.name} has the same {len(other)} classes and names")
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text("".join(f"{wnid}\t{names}\n" for wnid, names in classes), encoding="utf-8")
    print(f"{args.output.name}: {len(classes)} classes")


if __name__ == "__main__":
    main()
