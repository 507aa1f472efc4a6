"""This project's part in the comparison: its `bench` is timed; `classify`, `detect` and `segment` show what it computes."""

import json
import math
import statistics
import subprocess
import tempfile
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
    """A backend and a precision of ours, and whether detections are made of raw outputs too."""

    backend: str
    precision: str
    postprocess: bool = False

    @property
    def key(self) -> str:
        return f"ours-{self.backend}-{self.precision}{'-detections' if self.postprocess else ''}"

    @property
    def title(self) -> str:
        end = ", with post-processing" if self.postprocess else ""
        return f"this project, {self.backend}, {self.precision}{end}"

    def takes(self, work: Work) -> bool:
        return not self.postprocess or work.model.startswith("retinanet")

    def options(self) -> list[str]:
        """What `bench` is told."""
        return ["--backend", self.backend, *self._precision()]

    def options_of_others(self) -> list[str]:
        """What the other programs are told to compute the same: a graph is the same launches at once."""
        if not self.backend.startswith("cuda"):
            return self.options()
        backend = ["--backend", "candle"] if self.backend == "cuda-candle" else []
        return ["--device", "cuda", *backend, *self._precision()]

    def _precision(self) -> list[str]:
        # f32 is the default of every program, and the only precision of some.
        return [] if self.precision == "f32" else ["--precision", self.precision]


@dataclass(frozen=True)
class Programs:
    """The examples as cargo built them."""

    folder: Path

    def bench(self, variant: Variant, work: Work, network: Path, seconds: float) -> dict:
        """One line of the program `bench`."""
        command = [self.folder / "bench", "--which", work.model, "--weights", network, "--size", work.size]
        # What the others get: how much there is to do after a network depends on it.
        command += ["--tensor", network / f"b{work.batch}" / "input.safetensors"]
        if variant.postprocess:
            command.append("--postprocess")
        command += ["--batch", work.batch, "--threads", work.threads, "--seconds", seconds, *variant.options()]
        written = output(command, seconds + TURN_LIMIT)
        with understood(written):
            return json.loads(written)

    def classify(self, variant: Variant, threads: int, tensor: Path, *options: str | Path) -> list[str | Path]:
        """The command that classifies a ready tensor."""
        command = [self.folder / "classify", "--tensor", tensor, "--threads", str(threads)]
        return [*command, *variant.options_of_others(), "--format", "jsonl", "--quiet", *options]

    def dump(self, variant: Variant, work: Work, network: Path, tensor: Path, to: Path) -> list[str | Path]:
        """The command that writes the raw outputs for a ready tensor."""
        program = self.folder / ("detect" if work.model.startswith("retinanet") else "segment")
        command = [program, "--tensor", tensor, "--model", network, "--threads", str(work.threads)]
        return [*command, *variant.options_of_others(), "--format", "jsonl", "--quiet", "--dump", to]


@dataclass(frozen=True)
class Ours:
    """A contestant whose every turn is a process of its own, which warms itself up before it counts."""

    programs: Programs
    variant: Variant
    work: Work
    network: Path

    def turn(self, seconds: float) -> Turn:
        line = self.programs.bench(self.variant, self.work, self.network, seconds)
        with understood(line):
            return Turn(line["median_ms"], line["min_ms"], line["runs"])

    def error(self) -> float:
        """The largest difference from PyTorch's outputs as a part of the range of each, as for the peers."""
        at = self.network / f"b{self.work.batch}"
        expected = array("f", (at / "outputs.f32").read_bytes())
        return self._error_of_maps(at, expected) if self.work.with_head else self._error_of_logits(at, expected)

    def _error_of_maps(self, at: Path, expected: array) -> float:
        with tempfile.TemporaryDirectory() as folder:
            raw = Path(folder) / "raw.safetensors"
            output(self.programs.dump(self.variant, self.work, self.network, at / "input.safetensors", raw), TURN_LIMIT)
            found = tensors(raw)
        # Logits before differences, fine before coarse.
        names = sorted((name for name in found if name != "input"), key=lambda name: ("deltas" in name, name))
        if sum(len(found[name]) for name in names) != len(expected):
            raise Failure(f"raw outputs of other sizes than the {len(expected)} values expected")
        worst, start = 0.0, 0
        for name in names:
            theirs = expected[start : start + len(found[name])]
            start += len(theirs)
            difference = max(abs(a - b) for a, b in zip(found[name], theirs, strict=True))
            worst = max(worst, difference / (max(theirs) - min(theirs)))
        return worst

    def _error_of_logits(self, at: Path, expected: array) -> float:
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


def tensors(file: Path) -> dict[str, array]:
    """The values of a safetensors file in f32."""
    content = file.read_bytes()
    with understood(content[:100]):
        length = int.from_bytes(content[:8], "little")
        about = json.loads(content[8 : 8 + length])
        about.pop("__metadata__", None)
        data = content[8 + length :]
        return {name: array("f", data[slice(*entry["data_offsets"])]) for name, entry in about.items()}


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
