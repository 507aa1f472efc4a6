"""This project's programs and scripts, run as users run them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "assets" / "samples" / "astronaut.jpg"
NAMES = ("classify", "detect", "segment")
# Types of networks that tell the class of every pixel.
AREAS = ("semantic_fpn", "deeplabv3")


class Failed(Exception):
    """A command that did not end well, or outputs that differ."""


def built(folder: Path | None) -> Path:
    """The folder of the programs, which are built unless one is named."""
    if folder is not None:
        missing = [name for name in NAMES if not (folder / name).is_file()]
        if missing:
            sys.exit(f"{folder}: no {', '.join(missing)}: build them with cargo build --release --examples")
        return folder.resolve()
    command = ["cargo", "build", "--release", "-p", "examples", *(f"--example={name}" for name in NAMES)]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        sys.exit(f"failed: {' '.join(command)}")
    return ROOT / "target" / "release" / "examples"


def run(command: list) -> str:
    """Standard output of a command."""
    command = [str(part) for part in command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no message"]
        raise Failed(f"{' '.join(command)}: exit code {done.returncode}: {said[-1]}")
    return done.stdout


def converted(source: str, file: Path, out: Path) -> None:
    """convert.py on a file of a source."""
    run([sys.executable, ROOT / "scripts" / "convert.py", "--from", source, file, "--out", out])


def dumped(programs: Path, folder: Path, work: Path, backend: str, size: int | None) -> dict[str, np.ndarray]:
    """Input and outputs of the program for a folder's kind of network, on a sample picture."""
    head = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("head")
    kind = "classify" if head is None else "segment" if head["type"] in AREAS else "detect"
    dump = work / f"{folder.name}-{backend}.safetensors"
    command = [programs / kind, "--model", folder, "--format", "json", "--dump", dump, PICTURE]
    # The classifier writes pyramids too, which plans do not compute: its dump is candle's.
    command += ["--backend", backend] if head is not None else []
    command += [] if size is None else ["--size", str(size)]
    run(command)
    return load_file(dump)


def probabilities(programs: Path, folder: Path, size: int | None) -> dict[int, float]:
    """The five best classes of the sample picture, as a plan computes them."""
    command = [programs / "classify", "--model", folder, "--format", "jsonl", "--top-k", "5", PICTURE]
    command += [] if size is None else ["--size", str(size)]
    record = json.loads(run(command).splitlines()[0])
    return {entry["index"]: entry["probability"] for entry in record["predictions"]}
