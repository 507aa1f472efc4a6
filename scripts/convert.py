#!/usr/bin/env python3
"""A PyTorch checkpoint of a GhostNet as a folder that this project, and timm, load: safetensors and config.json.

Takes what `torch.save` wrote, zipped or not, of timm's GhostNets or of the authors' own release (`ck_ghostnetv2_10.pth.tar`,
`state_dict_73.98.pth`, `ghostnetv3-1.0.pth.tar`), whose names are timm's but for V3's `bn.`. Only tensors are unpickled
(`weights_only=True`), so that no code of the file runs. A file of another network is refused with the names that differ.

Command: python scripts/convert.py FILE --out FOLDER [--architecture ghostnetv2_100]
"""

import argparse
import json
import pickle
import re
import sys
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file

CONTAINERS = ("state_dict_ema", "state_dict", "model")


def state_dict(path: Path) -> dict[str, torch.Tensor]:
    """The named tensors of a checkpoint, taken out of what training scripts wrap around them."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        sys.exit(str(error))
    except (pickle.UnpicklingError, RuntimeError, EOFError):
        # torch's own message advises to load it all the same, which is what would run code.
        sys.exit(f"{path}: damaged, or holds objects beside tensors, which could run code: refused")
    for key in CONTAINERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        sys.exit(f"{path}: expected named tensors, found {type(content).__name__} with something else")
    return content


def timms_name(name: str) -> str:
    """The authors' name of a tensor as timm has it."""
    name = name.removeprefix("module.")
    return re.sub(r"(rpr_\w+(?:\.\d+)?)\.bn\.", r"\1.bn1.", name)


def architecture(tensors: dict[str, torch.Tensor]) -> str:
    """The registered model that has just these tensors."""
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    classes = len(tensors["classifier.weight"]) if "classifier.weight" in tensors else 0
    names = timm.list_models("ghostnet*")
    for name in names:
        model = timm.create_model(name, num_classes=classes)
        if {key: tuple(value.shape) for key, value in model.state_dict().items()} == shapes:
            return name
    sys.exit(f"these are not the tensors of any of {', '.join(names)}: name the nearest with --architecture")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--architecture", help="timm's name of the network (default: told from the tensors)")
    args = parser.parse_args()

    # Counters of op counters (`total_ops`) are no weights.
    found = {timms_name(name): value for name, value in state_dict(args.file).items() if "total_" not in name}
    name = args.architecture or architecture(found)
    classes = len(found["classifier.weight"]) if "classifier.weight" in found else 0
    model = timm.create_model(name, num_classes=classes)
    missing, unexpected = model.load_state_dict(found, strict=False)
    if missing or unexpected:
        sys.exit(f"{args.file} is no {name}:\n  missing: {missing}\n  unexpected: {unexpected}")

    args.out.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in sorted(found.items())}, args.out / "model.safetensors",
              metadata={"format": "pt"})
    config = {"architecture": name, "num_classes": classes,
              "pretrained_cfg": {**model.pretrained_cfg, "num_classes": classes}}
    (args.out / "config.json").write_text(json.dumps(config, indent=2, default=list) + "\n", encoding="utf-8")
    print(f"{name}, {classes} classes: {args.out}")


if __name__ == "__main__":
    main()
