#!/usr/bin/env python3
"""Proof that the numbers which the documents state are still those that the programs give.

docs/numbers.json has a row for each: what it is, the command that gives it, where it stands in that command's output,
and the value that is stated. Accuracies are recomputed over the data sets that --data names, and may differ by `within`.
The largest distances from timm, torchvision, mmdetection, mmsegmentation and segmentation_models_pytorch, as shares of
what is allowed (rtol 1e-3, atol 1e-4), come from the tests that compare with their fixtures; they depend on the
processor's last digits, and may be up to twice what is stated.

Output: one line for each number on standard output; the exit code is 1 if one has changed. Numbers whose data set is not
named are not recomputed, which their line says.

Command: python scripts/prove_numbers.py --data tiny-imagenet=tiny-imagenet-200 --data coco-person=coco-person \
             --data camvid=camvid
         python scripts/prove_numbers.py --write ...   states what is found
"""

import argparse
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "numbers.json"
PARITY = re.compile(r"parity \S+ ([0-9.]+)")


def run(command: str) -> str:
    """What a command prints; its errors come through, and end this program."""
    return subprocess.run(shlex.split(command), cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def of_json(text: str, path: list[str]) -> float:
    """The number at a place in a JSON text."""
    value = json.loads(text)
    for key in path:
        value = value[key]
    return float(value)


def of_parity(text: str) -> float:
    """The largest distance that tests print."""
    distances = [float(share) for share in PARITY.findall(text)]
    if not distances:
        raise SystemExit("the tests printed no distances: their names or their output have changed")
    return max(distances)


def recomputed(row: dict, programs: Path, data: dict[str, Path]) -> float | None:
    """A row's number now; None where its data set is not named."""
    if "data" in row and row["data"] not in data:
        return None
    folder = data.get(row.get("data", ""), Path())
    text = run(row["command"].format(programs=programs, data=folder))
    return of_parity(text) if row["at"] == "parity" else of_json(text, row["at"].split("."))


def holds(row: dict, found: float) -> bool:
    """Whether what is found is what is stated."""
    if row["at"] == "parity":
        return found <= 2 * row["value"]
    return abs(found - row["value"]) <= row["within"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", default=[], metavar="NAME=DIR", help="a data set of the table")
    parser.add_argument("--programs", type=Path, help="where they are built [default: they are built]")
    parser.add_argument("--write", action="store_true", help="state what is found")
    args = parser.parse_args()

    data = {name: Path(folder).resolve() for name, _, folder in (pair.partition("=") for pair in args.data)}
    rows = json.loads(TABLE.read_text())
    unknown = set(data) - {row.get("data") for row in rows}
    if unknown:
        parser.error(f"--data: the table has no {', '.join(sorted(unknown))}")
    if args.programs is None:
        run("cargo build --quiet --release --examples")
    programs = (args.programs or ROOT / "target" / "release" / "examples").resolve()

    changed = 0
    for row in rows:
        found = recomputed(row, programs, data)
        if found is None:
            print(f"not recomputed  {row['name']}: {row['value']}, needs --data {row['data']}=DIR", flush=True)
            continue
        right = holds(row, found)
        print(f"{'equal' if right else 'CHANGED':14}  {row['name']}: {found:.5g}, stated {row['value']}", flush=True)
        if args.write:
            row["value"] = round(found, 5)
        elif not right:
            changed += 1
    if args.write:
        TABLE.write_text(json.dumps(rows, indent=2) + "\n")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
