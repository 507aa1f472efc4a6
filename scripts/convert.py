#!/usr/bin/env python3
"""A checkpoint of another framework as a folder that this project loads: model.safetensors and config.json.

Sources (`--from`; without it, names and form of the file tell):
  official     the authors' GhostNet V1, V2 and V3 in PyTorch: state_dict_73.98.pth, ck_ghostnetv2_10.pth.tar,
               ghostnetv3-1.0.pth.tar
  mindspore    the authors' GhostNetV2 in MindSpore: ghostnetv2_1x.ckpt
  timm         classifiers of timm
  torchvision  torchvision's RetinaNet of both versions around timm's backbone, old and new names
  mmdet        mmdetection's RetinaNet and YOLOv3 around timm's backbone
  mmseg        mmsegmentation's FPN and DeepLabV3 around timm's backbone
  smp          segmentation_models_pytorch's FPN with a tu-ghostnet encoder

GhostNet V1 of the authors can't be told from timm's; named `official`, its pictures are resized bilinearly, as theirs.

Nothing in a file is run. A file of another network is refused with the names that differ, and the folder appears whole
or not at all. The exit code is 0, 1 for a file that can't be converted, 2 for wrong arguments.

Command: python scripts/convert.py [--from SOURCE] FILE --out FOLDER
"""

import argparse
import importlib
import sys
from pathlib import Path

from converters import folder, pickled, protobuf
from converters.network import Converted
from converters.refusal import Refused

SOURCES = ("official", "mindspore", "timm", "torchvision", "mmdet", "mmseg", "smp")
# What the names of only one source have.
TELLING = (
    ("decode_head.", "mmseg"), ("bbox_head.", "mmdet"), ("backbone.body.", "torchvision"), ("encoder.", "smp"),
)


def told(tensors: dict) -> str:
    """The source whose names these are."""
    for start, source in TELLING:
        if any(name.startswith(start) for name in tensors):
            return source
    return "official" if any("_rpr_" in name and ".bn." in name for name in tensors) else "timm"


def converted(file: Path, source: str | None, preset: str | None) -> tuple[str, Converted]:
    """The source of a file, and what it becomes."""
    try:
        torchs, mindspores = pickled.is_torch_file(file), protobuf.is_checkpoint(file)
    except OSError as error:
        raise Refused(f"{file}: {error.strerror or error}") from None
    if source == "mindspore" or (source is None and mindspores):
        if torchs:
            raise Refused(f"{file}: a file of torch.save or safetensors, not of MindSpore: leave --from out")
        source, tensors, names = "mindspore", protobuf.read(file), None
    else:
        tensors, names = pickled.read(file)
        source = source or told(tensors)
    if preset and source not in ("mmdet", "mmseg"):
        raise Refused(f"--preset {preset}: the weights of {source} tell it: leave it out")
    try:
        return source, importlib.import_module(f"converters.of_{source}").convert(tensors, names, preset)
    except Refused as refusal:
        raise Refused(f"{file}: as a checkpoint of {source}: {refusal}") from None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--from", dest="source", choices=SOURCES, help="whose file it is (default: told from it)")
    parser.add_argument("--preset", help="what weights do not tell: yolov3 or yolov3-320, deeplabv3 or deeplabv3-d16")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to: new, or empty")
    args = parser.parse_args()
    try:
        source, result = converted(args.file, args.source, args.preset)
        folder.write(args.out, result)
    except Refused as refusal:
        sys.exit(str(refusal))
    network = result.config["head"]["preset"] + " on " if "head" in result.config else ""
    network += result.config["architecture"]
    print(f"{source}: {network}, {result.config['num_classes']} classes: {args.out}")


if __name__ == "__main__":
    main()
