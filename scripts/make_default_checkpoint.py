#!/usr/bin/env python3
"""A checkpoint folder in f32, timm's or one that `train` wrote, made into one that ships: f16 weights, about 10 MB
instead of 21 for GhostNetV2 1.0x.

SOURCE is a folder with timm's config.json and model.safetensors; with --ema it is the folder of a run of `train`, whose
last checkpoint has the moving average of the weights, and whose best/ has the config.json. TARGET gets
  model.safetensors   every floating-point tensor in f16, sorted by name, without num_batches_tracked (it only counts
                      training steps), metadata {"format": "pt"}
  config.json         as it is in SOURCE
The card README.md of TARGET is written by hand and not touched.

The script stops where a value is NaN, infinite, or beyond what f16 holds, where a running variance is negative, and,
of a classifier, where timm does not load the result. Of that it prints how far the logits of random pictures move.

Command: python scripts/make_default_checkpoint.py SOURCE assets/ghostnetv2_100-tiny-imagenet
         python scripts/make_default_checkpoint.py runs/camvid3/best assets/ghostnetv2_100-camvid
         python scripts/make_default_checkpoint.py --ema runs/person2 assets/ghostnetv2_100-coco-person
Versions: requirements.txt.
"""

import argparse
import json
import shutil
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file, save_file

import formula


def moving_average(checkpoint: Path) -> dict[str, torch.Tensor]:
    """That of the weights, by their names."""
    tensors = load_file(checkpoint)
    averages = {name.removeprefix("ema."): tensor for name, tensor in tensors.items() if name.startswith("ema.")}
    if not averages:
        raise SystemExit(f"{checkpoint}: there is no moving average of weights in it")
    return averages


def to_f16(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors that ship, each checked."""
    shipped = {}
    for name, values in sorted(tensors.items()):
        if name.endswith("num_batches_tracked"):
            continue
        if name.endswith("running_var") and (values < 0).any():
            raise SystemExit(f"{name}: a running variance is negative")
        half = values.half().contiguous()
        if not half.isfinite().all():
            raise SystemExit(f"{name}: a value is NaN, infinite, or too large for f16 (largest magnitude 65504)")
        shipped[name] = half
    return shipped


def load(folder: Path) -> torch.nn.Module:
    """The network of a checkpoint folder in eval mode, as timm loads it."""
    return timm.create_model(f"local-dir:{folder.resolve()}", pretrained=True).eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="a folder with config.json and model.safetensors, f32")
    parser.add_argument("--ema", action="store_true", help="SOURCE is a run: its last moving average")
    parser.add_argument("target", type=Path, help="the folder to write")
    args = parser.parse_args()
    torch.set_num_threads(1)

    if args.ema:
        source, tensors = args.source / "best", moving_average(args.source / "last.safetensors")
    else:
        source, tensors = args.source, load_file(args.source / "model.safetensors")
    shipped = to_f16(tensors)
    args.target.mkdir(parents=True, exist_ok=True)
    weights = args.target / "model.safetensors"
    save_file(shipped, weights, metadata={"format": "pt"})
    shutil.copyfile(source / "config.json", args.target / "config.json")
    for name in ("model.safetensors", "config.json"):
        (args.target / name).chmod(0o644)

    values = sum(tensor.numel() for tensor in shipped.values())
    print(f"{len(shipped)} tensors, {values:,} values, {weights.stat().st_size:,} bytes")
    if "head" in json.loads((args.target / "config.json").read_text()):
        return  # timm knows no heads
    before, after = load(source), load(args.target)
    before.load_state_dict(tensors, strict=False)  # with --ema best/ has others
    size = after.pretrained_cfg["input_size"]
    pictures = torch.from_numpy(formula.uniform("input", (8, *size)))
    with torch.no_grad():
        expected, found = before(pictures), after(pictures)
    print(f"timm loads it; logits move by at most {(found - expected).abs().max():.4f} of {expected.abs().max():.4f}")


if __name__ == "__main__":
    main()
