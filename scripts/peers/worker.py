#!/usr/bin/env python3
"""A peer in a process of its own: worker.py ADAPTER FOLDER BATCH SIZE THREADS. What `rten/main.rs` is for the peer rten.

Loads, runs once, and writes one line of JSON: `precision`, `error` (largest difference from PyTorch's logits as a part of
their range), `after_start_ms` (to this result, from after Python has started and imported numpy) and `peak_mb`.
Then, for every line with a number of seconds on standard input, runs as long, and writes a line with the milliseconds of
every forward; the first after a pause only warms the caches and is left out. Ends with its input.
"""

import os
import sys
import time

import numpy as np

STARTED = time.perf_counter()

import json  # noqa: E402  what follows is the peer's own start
from pathlib import Path  # noqa: E402

import adapters  # noqa: E402


def peak_mb() -> float | None:
    """The most memory that this process has had resident, where the system tells."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


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


def main() -> None:
    # Libraries chat on standard output: theirs goes to standard error.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    adapter, folder, batch, size, threads = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:6])
    images = np.fromfile(folder / f"b{batch}" / "input.f32", np.float32).reshape(batch, 3, size, size)
    forward, precision = getattr(adapters, adapter)(folder, images, threads)
    found = np.array(forward())
    after_start = 1000 * (time.perf_counter() - STARTED)
    expected = np.fromfile(folder / f"b{batch}" / "logits.f32", np.float32).reshape(found.shape)
    error = float(np.abs(found - expected).max() / np.ptp(expected))
    report = {"precision": precision, "error": error, "after_start_ms": after_start, "peak_mb": peak_mb()}
    print(json.dumps(report), file=answers)
    for line in sys.stdin:
        print(json.dumps(timed(forward, float(line))), file=answers)


if __name__ == "__main__":
    main()
