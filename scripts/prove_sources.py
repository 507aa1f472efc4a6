#!/usr/bin/env python3
"""Proof that checkpoints of every source mean here what they mean to their own code.

For each kind of file the original network is built from its own package, or from a re-statement of its authors' code
where there is no package (originals/), and filled by formula (formula.py). It is saved in its native form, converted by
convert.py, and run by this project's programs on a sample picture. What they computed (`--dump`) is compared with what
the original computes from the same input, within rtol 1e-3 and atol 1e-4; heads on plans and on candle, classifiers on
candle, and their five best probabilities on plans.

One line for each kind on standard output; the exit code is 1 if one differs, or could not be tried. `--keys FILE`
writes what tests/test_names.py compares names with: NAME COUNT SHA256 of each original's tensors, under the names that
they have after a conversion, without batch counters; SHA256 is that of the lines `NAME [D0, D1, ...]`, sorted by name
as bytes.

MindSpore's source needs no MindSpore; with it, `--mindspore-code` also runs the authors' own file and compares the
re-statement with that.

Command: python scripts/prove_sources.py        (versions in requirements.txt and requirements-heads.txt)
         python scripts/prove_sources.py --source torchvision --source smp --programs target/release/examples
         python scripts/prove_sources.py --source official --official-code Efficient-AI-Backbones
         python scripts/prove_sources.py --source mindspore --mindspore-code models/research/cv/ghostnetv2
"""

import argparse
import hashlib
import json
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch

from convert import SOURCES
from proofs import cases, programs
from proofs.programs import Failed
from proofs.verdict import compared

RTOL, ATOL = 1e-3, 1e-4
# MindSpore's own sums are in another order.
MINDSPORE_RTOL, MINDSPORE_ATOL = 1e-4, 1e-5


def told(folder: Path, case: cases.Case) -> None:
    """Compares what config.json says with what the network is."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    found = config["architecture"], config.get("head", {}).get("preset")
    if found != (case.architecture, case.preset):
        raise Failed(f"config.json says {found}: expected {case.architecture}, {case.preset}")


def expected_of(outputs, x: np.ndarray) -> dict[str, np.ndarray]:
    with torch.no_grad():
        return {name: value.numpy() for name, value in outputs(torch.from_numpy(x)).items()}


def proved(case: cases.Case, folder: Path, where: Path) -> str:
    """How close a case is."""
    network, outputs = case.build()
    file, out = where / case.file, where / "converted"
    case.save(network, file)
    programs.converted(case.source, file, out)
    told(out, case)
    lines = []
    for backend in ("candle",) if case.preset is None else ("plan", "candle"):
        found = programs.dumped(folder, out, where, backend, case.size)
        expected = expected_of(outputs, found["input"])
        lines.append(compared({name: found[name] for name in expected if name in found}, expected, RTOL, ATOL))
    if case.preset is None:
        scores = torch.from_numpy(expected["logits"][0]).softmax(0).numpy()
        seen = programs.probabilities(folder, out, case.size)
        found = np.array(list(seen.values()), dtype=np.float32)
        off = np.abs(found - scores[list(seen)]) - RTOL * scores[list(seen)]
        if off.max() > ATOL:
            raise Failed(f"a probability of the plan is off by {off.max()}")
    return lines[0]


def key_line(name: str, network: torch.nn.Module, timms_name) -> str:
    """The line of a network in the file of `--keys`."""
    state = {timms_name(key): list(value.shape) for key, value in network.state_dict().items()}
    state = {key: shape for key, shape in state.items() if not key.endswith("num_batches_tracked")}
    text = "".join(f"{key} {shape}\n" for key, shape in sorted(state.items(), key=lambda item: item[0].encode()))
    return f"{name} {len(state)} {hashlib.sha256(text.encode()).hexdigest()}\n"


def keys(code: Path | None) -> str:
    """The lines of all originals of width 1.0."""
    lines = []
    for case in cases.all_cases(code):
        name = case.preset or (case.source if case.source == "mindspore" else f"{case.source}-{case.version}")
        wanted = case.source in ("official", "mindspore") or case.preset
        if wanted and case.architecture.endswith("_100") and not any(line.startswith(f"{name} ") for line in lines):
            lines.append(key_line(name, case.build()[0], case.timms_name))
    return "".join(lines)


def by_mindspore(code: Path) -> str:
    """The re-statement of MindSpore's network beside the authors' file, which this machine's MindSpore runs."""
    import mindspore

    sys.path.insert(0, str(code))
    mindspore.set_context(mode=mindspore.PYNATIVE_MODE, device_target="CPU")
    # Since MindSpore 2 it has other arguments; before, it aligned corners unless told otherwise.
    interpolate = mindspore.ops.interpolate
    mindspore.ops.interpolate = lambda x, sizes, mode: interpolate(x, size=sizes, mode=mode, align_corners=True)
    from src.ghostnetv2 import ghostnetv2_1x

    from originals import of_mindspore

    restated, outputs = cases.mindspore()
    network = ghostnetv2_1x(num_classes=1000)
    network.set_train(False)
    values = of_mindspore.parameters(restated)
    for parameter in network.get_parameters():
        parameter.set_data(mindspore.Tensor(values.pop(parameter.name)))
    if values:
        raise Failed(f"the authors' network has no {', '.join(values)}")
    x = cases.formula.uniform("input", (2, 3, 97, 97))
    found = {"logits": network(mindspore.Tensor(x)).asnumpy()}
    return compared(found, expected_of(outputs, x), MINDSPORE_RTOL, MINDSPORE_ATOL)


def tried(name: str, attempt, *arguments) -> bool:
    """Prints the line of an attempt, and says whether it went well."""
    try:
        line, good = f"equal: {attempt(*arguments)}", True
    except Failed as failure:
        line, good = f"FAILED: {failure}", False
    except ImportError as error:
        line, good = f"NOT TRIED: {error}: see requirements-heads.txt", False
    print(f"{name}: {line}", flush=True)
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", action="append", choices=SOURCES, help="only this one; may be given again")
    parser.add_argument("--programs", type=Path, help="the folder of classify, detect and segment (default: built)")
    parser.add_argument("--official-code", type=Path, help="a clone of huawei-noah/Efficient-AI-Backbones, to run")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="write this file, and prove nothing")
    parser.add_argument("--mindspore-code", type=Path, help="research/cv/ghostnetv2 of MindSpore's models, to run")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    if args.keys:
        args.keys.write_text(keys(args.official_code), encoding="utf-8")
        return
    folder, good = programs.built(args.programs), True
    for case in cases.all_cases(args.official_code):
        if args.source and case.source not in args.source:
            continue
        with tempfile.TemporaryDirectory() as where:
            name = f"{case.source}: {case.title} ({case.file})"
            good &= tried(name, proved, case, folder, Path(where))
    if args.mindspore_code:
        good &= tried("mindspore: the authors' own file", by_mindspore, args.mindspore_code)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
