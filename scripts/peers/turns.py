"""Timing in turns: every contestant runs for a moment while the others wait, again and again.

What disturbs the machine so disturbs all of them. Before each turn there is a pause, because the threads of some
libraries keep spinning for a while after their last work; how long they do is left to each of them.
"""

import contextlib
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from .failure import Failure, last_words

PAUSE = 0.25
"""Seconds before each turn; the longest spinning known is the 0.2 s of LLVM's OpenMP."""
LOADING_LIMIT = 600.0
TURN_LIMIT = 120.0
"""Seconds that a turn may take beyond its own."""


@dataclass(frozen=True)
class Turn:
    """The forwards of one turn."""

    median_ms: float
    min_ms: float
    forwards: int


class Contestant(Protocol):
    def turn(self, seconds: float) -> Turn: ...


@dataclass
class Score:
    """What a contestant reached: the median of its turns' medians, so that each turn counts the same."""

    turns: list[Turn] = field(default_factory=list)

    def summary(self) -> dict[str, float | int]:
        return {
            "median_ms": statistics.median(turn.median_ms for turn in self.turns),
            "min_ms": min(turn.min_ms for turn in self.turns),
            "turns": len(self.turns),
            "forwards": sum(turn.forwards for turn in self.turns),
        }


class Worker:
    """A peer in a process of its own that has loaded its network and run it once; `report` is what it said then."""

    def __init__(self, command: list[str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        with log.open("w", encoding="utf-8") as errors:
            try:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, bufsize=1
                )
            except OSError as error:
                raise Failure(str(error)) from error
        self.report = self._answer(LOADING_LIMIT)

    def turn(self, seconds: float) -> Turn:
        with contextlib.suppress(BrokenPipeError):  # it has ended: the missing answer tells
            print(seconds, file=self._process.stdin, flush=True)
        times = self._answer(seconds + TURN_LIMIT)
        return Turn(statistics.median(times), min(times), len(times))

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _answer(self, limit: float):
        timer = threading.Timer(limit, self._process.kill)
        timer.start()
        line = self._process.stdout.readline()
        late = not timer.is_alive()
        timer.cancel()
        try:
            return json.loads(line)
        except json.JSONDecodeError:
            self.close()
            why = f"no answer within {limit:.0f} s" if late else last_words(self._log)
            raise Failure(f"{why} (see {self._log.parent.name}/{self._log.name})") from None


def in_turn(
    contestants: dict[str, Contestant], rounds: int, seconds: float, failed: Callable[[str, Failure], None]
) -> dict[str, Score]:
    """The scores after some rounds. One that fails is told to `failed` and takes no further part."""
    scores = {name: Score() for name in contestants}
    for number in range(rounds):
        print(f"\r  round {number + 1} of {rounds}", end="", file=sys.stderr, flush=True)
        # Nobody always follows the same neighbour.
        names = list(scores)
        shift = number % len(names) if names else 0
        for name in names[shift:] + names[:shift]:
            time.sleep(PAUSE)
            try:
                scores[name].turns.append(contestants[name].turn(seconds))
            except Failure as error:
                del scores[name]
                failed(name, error)
    print(file=sys.stderr)
    return scores
