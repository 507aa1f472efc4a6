"""This project's part in the comparison: its `bench` is timed, its `classify` shows that it computes the same."""

import json
import math
import statistics
import subprocess
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .failure import Failure, reason
from .roster import Work
from .turns import TURN_LIMIT, Turn


@dataclass(frozen=True)
class Variant:
    """A backend and a precision of ours."""

    backend: str
    precision: str

    @property
    def key(self) -> str:
        return f"ours-{self.backend}-{self.precision}"

    @property
    def title(self) -> str:
        return f"this project, {self.backend}, {self.precision}"

    def options(self) -> list[str]:
        # f32 is the default of every program, and the only precision of some.
        precision = [] if self.precision == "f32" else ["--precision", self.precision]
        return ["--backend", self.backend, *precision]


@dataclass(frozen=True)
class Programs:
    """The examples as cargo built them."""

    folder: Path

    def bench(self, variant: Variant, work: Work, network: Path, size: int, seconds: float) -> dict:
        """One line of the program `bench`."""
        command = [self.folder / "bench", "--which", work.model, "--weights", network, "--size", size]
        command += ["--batch", work.batch, "--threads", work.threads, "--seconds", seconds, *variant.options()]
        written = output(command, seconds + TURN_LIMIT)
        with understood(written):
            return json.loads(written)

    def classify(self, variant: Variant, threads: int, tensor: Path, *options: str | Path) -> list[str | Path]:
        """The command that classifies a ready tensor."""
        command = [self.folder / "classify", "--tensor", tensor, "--threads", str(threads), *variant.options()]
        return [*command, "--format", "jsonl", "--quiet", *options]


@dataclass(frozen=True)
class Ours:
    """A contestant whose every turn is a process of its own, which warms itself up before it counts."""

    programs: Programs
    variant: Variant
    work: Work
    network: Path
    size: int

    def turn(self, seconds: float) -> Turn:
        line = self.programs.bench(self.variant, self.work, self.network, self.size, seconds)
        with understood(line):
            return Turn(line["median_ms"], line["min_ms"], line["runs"])

    def error(self) -> float:
        """The largest difference from PyTorch's logits as a part of their range, as for the peers."""
        at = self.network / f"b{self.work.batch}"
        expected = array("f", (at / "logits.f32").read_bytes())
        classes = len(expected) // self.work.batch
        tensor = at / "input.safetensors"
        options = ("--weights", self.network, "--top-k", str(classes))
        written = output(self.programs.classify(self.variant, self.work.threads, tensor, *options), TURN_LIMIT)
        with understood(written):
            pictures = [logits(json.loads(line)["predictions"]) for line in written.splitlines()]
        if [len(picture) for picture in pictures] != [classes] * self.work.batch:
            raise Failure(f"classify wrote something else than {self.work.batch} lines of {classes} classes")
        worst = 0.0
        for index, picture in enumerate(pictures):
            theirs = centred(expected[index * classes : (index + 1) * classes])
            worst = max(worst, *(abs(a - b) for a, b in zip(picture, theirs, strict=True)))
        return worst / (max(expected) - min(expected))


@contextmanager
def understood(written: object) -> Iterator[None]:
    """A failure where a program of ours writes something else than this script knows."""
    try:
        yield
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(f"not understood ({type(error).__name__}: {error}): {str(written)[:100]!r}") from error


def logits(predictions: list[dict]) -> list[float]:
    """The logits of a picture from its probabilities: a softmax keeps them but for a constant."""
    return centred([math.log(p["probability"]) for p in sorted(predictions, key=lambda p: p["index"])])


def centred(values: list[float] | array) -> list[float]:
    mean = statistics.fmean(values)
    return [value - mean for value in values]


def output(command: list, limit: float) -> str:
    """What a program of ours writes, or its failure."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=limit,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failure(str(error)) from error
    if done.returncode != 0:
        raise Failure(reason(done.stderr, f"{command[0]} ended with {done.returncode}"))
    return done.stdout
