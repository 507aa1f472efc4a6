#!/usr/bin/env python3
"""Top-1 and top-5 of a timm model over labelled pictures: the peer of `evaluate imagenet`.

Pictures are decoded by Pillow as RGB (EXIF orientation ignored) and go through timm's own eval transform as the model's
config has it; the network runs in f32 whatever type its file stores.

Which network (one of):
  --model NAME               a registered timm model with its pretrained weights (from the hub or its cache)
  --checkpoint-folder DIR    a folder with timm's config.json and model.safetensors

Which pictures (one of):
  --folder DIR               ImageNet layout: DIR/WNID/PICTURE
  --list FILE                lines `NAME, CLASS`; NAME is relative to the list's folder, CLASS 0 to 999 or a WordNet id

A true class is known by its WordNet id: an index of 1000 is looked up in --classes (one class per line in class order,
the WordNet id first; both this project's imagenet1k_classes.txt and Caffe's synset_words.txt are of this form). The
network's own classes are the `label_names` of its config.json, or all 1000 in class order where it has none. So a
checkpoint with fewer classes is scored over the pictures whose class it has; the rest are left out and counted.

Output: JSON on stdout; with --csv FILE also one line per picture: name, true class, the five best classes.

Example: python scripts/eval_timm.py --checkpoint-folder assets/ghostnetv2_100-tiny-imagenet --list imagenet/dataset.txt
Versions: requirements.txt.
"""

import argparse
import csv
import json
import sys
import time
from pathlib import Path

import PIL
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_model_data_config

CLASSES = Path(__file__).resolve().parent.parent / "assets" / "imagenet1k_classes.txt"


def read_classes(path: Path) -> list[str]:
    """The WordNet ids of a class file, in class order."""
    wnids = [line.split(maxsplit=1)[0] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if len(wnids) != 1000:
        raise SystemExit(f"{path}: expected 1000 classes, found {len(wnids)}")
    return wnids


def read_folder(folder: Path) -> list[tuple[Path, str]]:
    """(picture, WordNet id) for the ImageNet layout."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    return [(picture, path.name) for path in classes for picture in sorted(path.iterdir()) if picture.is_file()]


def read_list(path: Path, classes: list[str]) -> list[tuple[Path, str]]:
    """(picture, WordNet id) for a list of `NAME, CLASS` lines."""
    pictures = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        name, comma, label = (part.strip() for part in line.rpartition(","))
        if not comma or not (label in classes or (label.isdecimal() and int(label) < len(classes))):
            raise SystemExit(f"{path}, line {number}: expected `NAME, CLASS` with a class of 0 to 999 or a WordNet id")
        pictures.append((path.parent / name, classes[int(label)] if label.isdecimal() else label))
    return pictures


def load_model(args: argparse.Namespace, classes: list[str]) -> tuple[torch.nn.Module, list[str]]:
    """The network in eval mode and the WordNet ids of its outputs."""
    if args.model:
        model = timm.create_model(args.model, pretrained=True).eval()
        wnids = classes
    else:
        model = timm.create_model(f"local-dir:{args.checkpoint_folder.resolve()}", pretrained=True).eval()
        config = json.loads((args.checkpoint_folder / "config.json").read_text(encoding="utf-8"))
        wnids = config.get("label_names") or config.get("pretrained_cfg", {}).get("label_names") or classes
    if model.num_classes != len(wnids):
        raise SystemExit(f"the network has {model.num_classes} outputs, but {len(wnids)} class names are known")
    return model, wnids


def predict(model: torch.nn.Module, transform, pictures: list[Path], batch: int) -> list[list[int]]:
    """The five best outputs of every picture."""
    best = []
    for start in range(0, len(pictures), batch):
        tensors = []
        for path in pictures[start : start + batch]:
            with Image.open(path) as picture:
                tensors.append(transform(picture.convert("RGB")))
        with torch.no_grad():
            best += model(torch.stack(tensors)).topk(5).indices.tolist()
        print(f"\r{len(best)}/{len(pictures)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    network = parser.add_mutually_exclusive_group(required=True)
    network.add_argument("--model", help="a registered timm model")
    network.add_argument("--checkpoint-folder", type=Path, help="a folder with config.json and model.safetensors")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--folder", type=Path, help="pictures in one folder per WordNet id")
    source.add_argument("--list", type=Path, help="a file of `NAME, CLASS` lines")
    parser.add_argument("--classes", type=Path, default=CLASSES, help="the 1000 WordNet ids in class order")
    parser.add_argument("--batch", type=int, default=50, help="pictures per batch (default: 50)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: 2)")
    parser.add_argument("--csv", type=Path, help="write the predictions of every picture to this file")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    classes = read_classes(args.classes)
    model, wnids = load_model(args, classes)
    data_config = resolve_model_data_config(model)
    transform = create_transform(**data_config, is_training=False)
    everything = read_folder(args.folder) if args.folder else read_list(args.list, classes)
    known = set(wnids)
    pictures = [(path, wnid) for path, wnid in everything if wnid in known]
    if not pictures:
        raise SystemExit("no picture of a class that the network knows")

    start = time.perf_counter()
    best = predict(model, transform, [path for path, _ in pictures], args.batch)
    seconds = time.perf_counter() - start
    ranked = [[wnids[index] for index in row] for row in best]
    top1 = sum(row[0] == wnid for row, (_, wnid) in zip(ranked, pictures, strict=True))
    top5 = sum(wnid in row for row, (_, wnid) in zip(ranked, pictures, strict=True))
    if args.csv:
        with args.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["picture", "class", "first", "second", "third", "fourth", "fifth"])
            base = args.folder or args.list.parent
            for (path, wnid), row in zip(pictures, ranked, strict=True):
                writer.writerow([path.relative_to(base).as_posix(), wnid, *row])
    report = {
        "model": args.model or args.checkpoint_folder.name,
        "network_classes": len(wnids),
        "pictures": len(pictures),
        "left_out": len(everything) - len(pictures),
        "top1_correct": top1,
        "top5_correct": top5,
        "top1_percent": round(100 * top1 / len(pictures), 3),
        "top5_percent": round(100 * top5 / len(pictures), 3),
        "input_size": list(data_config["input_size"]),
        "interpolation": data_config["interpolation"],
        "crop_pct": data_config["crop_pct"],
        "crop_mode": data_config["crop_mode"],
        "images_per_second": round(len(pictures) / seconds, 1),
        "versions": {"timm": timm.__version__, "torch": torch.__version__, "pillow": PIL.__version__},
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
