#!/usr/bin/env python3
"""Proof that ONNX files of export.py give what this project's programs give, within 1e-4.

The classifier and the Semantic FPN that ship, a `lite` detector, and one network of every other preset, with weights by
formula: each is run by its program on a sample picture (`--dump`), exported by export.py, and run by ONNX Runtime on
the same input. One line for each on standard output; the exit code is 1 if one differs, or could not be tried.

Needs requirements.txt and requirements-heads.txt, and onnx, onnxruntime and onnxscript of requirements-peers.txt.

Command: python scripts/prove_exports.py
         python scripts/prove_exports.py --programs target/release/examples
"""

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from converters import folder
from converters.ghostnet import Architecture
from converters.network import Converted
from proofs import cases, programs
from proofs.programs import ROOT
from prove_sources import tried

# Sources whose networks are exported: one of each kind.
TITLES = (
    ("official", "GhostNetV3 1.0x"), ("mindspore", "GhostNetV2 1.0x"), ("torchvision", "RetinaNet"),
    ("torchvision", "RetinaNet v2"), ("mmdet", "RetinaNet"), ("mmdet", "YOLOv3"), ("mmseg", "FPN"),
    ("mmseg", "DeepLabV3"), ("smp", "FPN"),
)
SHIPPED = (("ghostnetv2_100-tiny-imagenet", None), ("ghostnetv2_100-camvid", 96))


def lite(where: Path) -> Path:
    """A folder of a `lite` detector with weights by formula."""
    from originals import of_lite

    a, out = Architecture("v2", 100), where / "lite"
    network = cases.fill(of_lite.retinanet(a, 80), lambda name: name)
    state = network.state_dict().items()
    tensors = {name: value for name, value in state if not name.endswith("num_batches_tracked")}
    config = {"architecture": a.name, "num_classes": 80, "head": {"type": "retinanet", "preset": "lite"}}
    folder.write(out, Converted(tensors, config))
    return out


def of_case(case: cases.Case, where: Path) -> Path:
    """A folder that convert.py made."""
    network, _ = case.build()
    case.save(network, where / case.file)
    programs.converted(case.source, where / case.file, where / "converted")
    return where / "converted"


def all_folders() -> Iterator[tuple[str, Callable[[Path], Path], int | None]]:
    """Name, what makes the folder, and the size of its pictures."""
    for name, size in SHIPPED:
        yield name, lambda _, name=name: ROOT / "assets" / name, size
    yield "lite detector", lite, cases.DETECTED
    for case in cases.all_cases():
        if (case.source, case.title) in TITLES:
            yield f"{case.source}: {case.title}", lambda where, case=case: of_case(case, where), case.size


def proved(make: Callable[[Path], Path], built: Path, where: Path, size: int | None) -> str:
    """What export.py says of a folder's ONNX file."""
    network = make(where)
    backend = "plan"
    programs.dumped(built, network, where, backend, size)
    dump = where / f"{network.name}-{backend}.safetensors"
    command = [sys.executable, ROOT / "scripts" / "export.py", network, "--to", "onnx", "--out", where / "onnx"]
    return programs.run([*command, "--check", dump]).strip().splitlines()[-1].split(": ")[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, help="the folder of classify, detect and segment (default: built)")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    built, good = programs.built(args.programs), True
    for name, make, size in all_folders():
        with tempfile.TemporaryDirectory() as where:
            good &= tried(name, proved, make, built, Path(where), size)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
