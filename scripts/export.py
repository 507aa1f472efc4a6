#!/usr/bin/env python3
"""A folder of this project in the form of another library.

  --to timm         a folder with timm's names, config.json and a model card; of a network with a head its backbone, for
                    timm.create_model(name).load_state_dict(tensors, strict=False)
  --to torchvision, mmdet, mmseg, smp
                    a folder whose model.safetensors has the names of that library's network, for its load_state_dict;
                    of a classifier the part below a head, for strict=False
  --to onnx         a file network.onnx (opset 18) from `input` to the raw outputs, whose names are those of --dump, and
                    model card; --size is the input's, HEIGHTxWIDTH or one for both. PyTorch's exporter needs onnx and
                    onnxscript (requirements-peers.txt), networks with heads their own library
  --to card         a folder of the two files as they are and a model card: what the hub takes

`--check DUMP` runs ONNX Runtime on the input that one of our programs dumped (`classify --dump`, `detect --dump`,
`segment --dump`), and compares with its outputs within 1e-4. Its size is taken where --size is not given.

A folder becomes a repository on the hub by `hf auth login`, then `hf upload NAME/REPOSITORY FOLDER`; here it loads as
`--model hf:NAME/REPOSITORY`.

Command: python scripts/export.py FOLDER --to FORM --out FOLDER
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from converters.folder import whole
from converters.refusal import Refused
from exports import card, forms, source
from exports.source import Source

FORMS = ("timm", *forms.LIBRARIES, "onnx", "card")
TOLERANCE = 1e-4


def size_of(text: str | None, dump: dict | None, found: Source) -> tuple[int, int]:
    """Height and width of the input."""
    if text:
        sides = text.split("x")
        if len(sides) > 2 or not all(side.isdigit() and int(side) > 32 for side in sides):
            raise Refused(f"--size {text}: expected N or HEIGHTxWIDTH with sides of at least 33 pixels")
        return int(sides[0]), int(sides[-1])
    if dump is not None:
        return tuple(dump["input"].shape[-2:])
    if found.preset is not None:
        raise Refused("--size: expected the size of the input, N or HEIGHTxWIDTH, for a network with a head")
    height, width = found.config.get("pretrained_cfg", {}).get("input_size", [3, 224, 224])[1:]
    return height, width


def to_onnx(found: Source, folder: Path, size: str | None, dump: dict | None) -> str:
    """Writes the file; says how far ONNX Runtime is from our program."""
    from exports import network, onnx

    height, width = size_of(size, dump, found)
    _, computing, names = network.loaded(found)
    path = folder / "network.onnx"
    onnx.write(computing, torch.zeros(1, found.architecture.in_channels, height, width), names, path)
    if dump is None:
        return "not compared: --check does that"
    outputs, worst = onnx.run(path, dump["input"].numpy()), 0.0
    for name in names:
        if name not in dump or tuple(dump[name].shape) != outputs[name].shape:
            raise Refused(f"--check: no {name} of shape {list(outputs[name].shape)} in the dump")
        expected = dump[name].numpy()
        worst = max(worst, float((abs(outputs[name] - expected) / (1 + abs(expected))).max()))
    if not worst <= TOLERANCE:
        raise Refused(f"ONNX Runtime is {worst:.2g} off: expected at most {TOLERANCE}")
    return f"ONNX Runtime is {worst:.2g} off at most"


def export(args: argparse.Namespace) -> str:
    """Writes what is asked for; a line about it."""
    found = source.read(args.folder)
    dump = load_file(args.check) if args.check else None
    with whole(args.out) as folder:
        said = f"{args.to}: {args.out}"
        if args.to == "onnx":
            said = f"{to_onnx(found, folder, args.size, dump)}: {args.out / 'network.onnx'}"
        elif args.to == "card":
            for name in ("model.safetensors", "config.json"):
                shutil.copy(args.folder / name, folder)
        else:
            tensors = forms.backbone(found) if args.to == "timm" else forms.for_library(found, args.to)
            tensors = {name: value.contiguous() for name, value in sorted(tensors.items())}
            save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
            told = found.config
            if args.to == "timm" and found.preset is not None:
                # timm knows no heads: for it this is a network without its last layers.
                told = {"architecture": found.architecture.name, "num_classes": 0}
            (folder / "config.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(card.card(found), encoding="utf-8")
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--to", choices=FORMS, required=True, help="the form")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to: new, or empty")
    parser.add_argument("--size", help="of an ONNX file's input: N or HEIGHTxWIDTH")
    parser.add_argument("--check", type=Path, metavar="DUMP", help="compare an ONNX file with what our program dumped")
    args = parser.parse_args()
    try:
        print(export(args))
    except Refused as refusal:
        sys.exit(str(refusal))


if __name__ == "__main__":
    main()
