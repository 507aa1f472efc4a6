"""One run: everybody gets the network, is checked, and is timed; each result is kept as a record."""

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from . import coldstart, turns
from .exports import Exports
from .failure import Failure
from .ours import Ours, Programs, Variant
from .roster import Peer, Work
from .verdict import checked, compare

T = TypeVar("T")


class Field(Generic[T]):
    """Those who take part in one table's column: a record of each, and what `start` made of those that could start."""

    def __init__(self, kind: str, work: Work) -> None:
        self.records: dict[str, dict] = {}
        self.started: dict[str, T] = {}
        self._common = {"kind": kind, "model": work.model, "batch": work.batch, "threads": work.threads}

    def enter(self, name: str, title: str, start: Callable[[dict], T]) -> None:
        self.records[name] = self._common | {"name": name, "title": title}
        try:
            self.started[name] = start(self.records[name])
        except Failure as error:
            self.failed(name, error)

    def failed(self, name: str, error: Failure) -> None:
        """Whoever fails is out, and the others go on."""
        print(f"\n  {self.records[name]['title']}: {error}", file=sys.stderr)
        self.records[name]["failed"] = str(error)

    def close(self, results: dict[str, dict], measure: str) -> list[dict]:
        """The records with their results and what these come to."""
        for name, result in results.items():
            self.records[name] |= result
        compare(list(self.records.values()), measure)
        return list(self.records.values())


@dataclass
class Comparison:
    """Who takes part, where things are, and what came out so far."""

    peers: list[Peer]
    variants: list[Variant]
    python: Path
    rten: Path | Failure
    exports: Exports
    programs: Programs
    out: Path
    records: list[dict] = field(default_factory=list)

    def keep(self, records: list[dict]) -> None:
        """Also writes them down at once: a long run that is broken off leaves what it has."""
        self.records += records
        with self.out.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)

    def time(self, work: Work, rounds: int, seconds: float) -> None:
        """Forward passes."""
        print(f"{work}: starting", file=sys.stderr)
        contestants: Field[turns.Contestant] = Field("time", work)
        with ExitStack() as stack:
            for peer in self.peers:
                if peer.takes(work):
                    contestants.enter(peer.key, peer.title, lambda record, p=peer: self._worker(p, work, record, stack))
            for variant in self.variants:
                if variant.takes(work):
                    contestants.enter(variant.key, variant.title, lambda record, v=variant: self._ours(v, work, record))
            scores = turns.in_turn(contestants.started, rounds, seconds, contestants.failed)
        results = {name: score.summary() for name, score in scores.items()}
        for result in results.values():
            result["images_per_s"] = 1000 * work.batch / result["median_ms"]
        self.keep(contestants.close(results, "median_ms"))

    def cold(self, work: Work, runs: int) -> None:
        """Cold starts and memory, for batch 1."""
        print(f"{work}: cold starts", file=sys.stderr)
        commands: Field[list] = Field("cold", work)
        for peer in self.peers:
            if peer.takes(work):
                commands.enter(peer.key, peer.title, lambda _, p=peer: self._command(p, work))
        for variant in self.variants:
            if not variant.takes(work):
                continue
            for end, weights, built_in in (("", "the same weights", False), ("-built-in", "the built-in model", True)):
                name, title = variant.key + end, f"{variant.title}, {weights}"
                commands.enter(name, title, lambda _, v=variant, b=built_in: self._classify(v, work, b))
                commands.records[name]["precision"] = variant.precision
        self.keep(commands.close(coldstart.in_turn(commands.started, runs, commands.failed), "first_result_ms"))

    def _worker(self, peer: Peer, work: Work, record: dict, stack: ExitStack) -> turns.Worker:
        log = self.exports.logs / f"{peer.key}-{work.model}-b{work.batch}-t{work.threads}.txt"
        worker = turns.Worker(self._command(peer, work), log)
        stack.callback(worker.close)
        precision = worker.report["precision"]
        record |= {"precision": precision, **checked(precision, worker.report["error"])}
        return worker

    def _command(self, peer: Peer, work: Work) -> list[str]:
        """The worker of a peer, with everything that it needs there."""
        self.exports.pictures(work.model, work.batch)
        for form, batch in peer.exports(work):
            self.exports.pictures(work.model, batch)
            self.exports.form(work.model, form, batch)
        if peer.adapter is None and isinstance(self.rten, Failure):
            raise self.rten
        return peer.command(work, self.exports.network(work.model), self.python, self.rten)

    def _ours(self, variant: Variant, work: Work, record: dict) -> Ours:
        self.exports.pictures(work.model, work.batch)
        ours = Ours(self.programs, variant, work, self.exports.network(work.model))
        record |= {"precision": variant.precision, "error": None, "right": False}
        try:
            record |= checked(variant.precision, ours.error())
        except Failure as error:
            print(f"  {variant.title} is not checked: {error}", file=sys.stderr)
            record["unchecked"] = str(error)
        return ours

    def _classify(self, variant: Variant, work: Work, built_in: bool) -> list:
        self.exports.pictures(work.model, work.batch)
        network = self.exports.network(work.model)
        tensor = network / f"b{work.batch}" / "input.safetensors"
        weights = () if built_in else ("--weights", network)
        return self.programs.classify(variant, work.threads, tensor, *weights)
