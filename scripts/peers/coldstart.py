"""From the start of a process to its first result, with all files in the page cache; and the memory that takes.

Timed from outside, from before the process is made to its first line of output. Peers in Python pay for the interpreter
and numpy, which is not their fault: what they take from there on is in `after_start_ms`, by their own clock.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from .failure import Failure, reason
from .verdict import checked

LIMIT = 120.0
"""Seconds after which a start is given up."""


@dataclass(frozen=True)
class Start:
    """One cold start."""

    first_result_ms: float
    report: dict
    """What a worker says with its first result; another program says nothing of this."""
    peak_mb: float | None


def start(command: list) -> Start:
    """Runs a program that writes a line with its first result, and ends when its input does."""
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        try:
            process = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
            )
        except OSError as error:
            raise Failure(str(error)) from error
        return finish(process, began, errors)


def finish(process: subprocess.Popen, began: float, errors: IO[bytes]) -> Start:
    timer = threading.Timer(LIMIT, process.kill)
    timer.start()
    line = process.stdout.readline()
    first = 1000 * (time.perf_counter() - began)
    process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    if not line or process.returncode != 0:
        errors.seek(0)
        said = errors.read().decode(errors="replace")
        raise Failure(reason(said, f"ended with {process.returncode}, expected one line and 0"))
    return Start(first, json.loads(line), peak_mb(usage))


def peak_mb(usage: resource.struct_rusage) -> float | None:
    """The most memory that a process had resident, if above this one's: a child starts with its parent's mark."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    return usage.ru_maxrss * unit / 2**20 if usage.ru_maxrss > own else None


def in_turn(commands: dict[str, list], runs: int, failed: Callable[[str, Failure], None]) -> dict[str, dict]:
    """Medians over some rounds of one start each, after one that only fills the page cache."""
    starts: dict[str, list[Start]] = {name: [] for name in commands}
    for number in range(runs + 1):
        print(f"\r  cold start {number} of {runs}", end="", file=sys.stderr, flush=True)
        for name in list(starts):
            try:
                starts[name].append(start(commands[name]))
            except Failure as error:
                del starts[name]
                failed(name, error)
    print(file=sys.stderr)
    return {name: summary(all_starts[1:]) for name, all_starts in starts.items()}


def summary(starts: list[Start]) -> dict:
    peaks = [start.peak_mb for start in starts if start.peak_mb is not None]
    result = {
        "first_result_ms": statistics.median(start.first_result_ms for start in starts),
        "least_ms": min(start.first_result_ms for start in starts),
        "peak_mb": statistics.median(peaks) if peaks else None,
    }
    if "after_start_ms" in starts[0].report:
        precision = starts[0].report["precision"]
        result["after_start_ms"] = statistics.median(start.report["after_start_ms"] for start in starts)
        result |= {"precision": precision, **checked(precision, starts[0].report["error"])}
    return result
