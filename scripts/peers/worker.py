#!/usr/bin/env python3
"""A peer in a process of its own: worker.py ADAPTER FOLDER BATCH SIZE THREADS. For rten it is `rten/main.rs`.

ADAPTER is a function of adapters.py, and behind slashes what else it takes.

Loads, runs once, and writes one line of JSON: `precision`, `error` (largest difference from PyTorch's outputs as a
part of the range of each) and `after_start_ms` (to this result, from when Python had started and imported numpy).
Then, for every line with a number of seconds on standard input, runs as long, and writes a line with the milliseconds
of every forward; the first after a pause only warms the caches and is left out. Ends with its input.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

STARTED = time.perf_counter()

import adapters  # noqa: E402  from here on, the peer's own start


def timed(forward: adapters.Forward, seconds: float) -> list[float]:
    """Milliseconds of each forward of a turn; three at least."""
    forward()
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        forward()
        times.append(1000 * (time.perf_counter() - start))
    return times


def largest_error(found: list[np.ndarray], at: Path) -> float:
    shapes = json.loads((at / "outputs.json").read_text(encoding="ascii"))
    if [list(output.shape) for output in found] != shapes:
        raise ValueError(f"outputs of shapes {[output.shape for output in found]}: expected {shapes}")
    ends = np.cumsum([output.size for output in found])[:-1]
    expected = np.split(np.fromfile(at / "outputs.f32", np.float32), ends)
    errors = (
        np.abs(output.ravel() - right).max() / np.ptp(right) for output, right in zip(found, expected, strict=True)
    )
    return float(max(errors))


def main() -> None:
    # Libraries chat on standard output: theirs goes to standard error.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    (adapter, *options), folder, batch, size, threads = sys.argv[1].split("/"), Path(sys.argv[2]), *map(int, sys.argv[3:6])
    images = np.fromfile(folder / f"b{batch}" / "input.f32", np.float32).reshape(batch, 3, size, size)
    forward, precision = getattr(adapters, adapter)(folder, images, threads, *options)
    found = [np.array(output) for output in forward()]
    after_start = 1000 * (time.perf_counter() - STARTED)
    error = largest_error(found, folder / f"b{batch}")
    print(json.dumps({"precision": precision, "error": error, "after_start_ms": after_start}), file=answers)
    for line in sys.stdin:
        print(json.dumps(timed(forward, float(line))), file=answers)


if __name__ == "__main__":
    main()
