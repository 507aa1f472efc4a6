#!/usr/bin/env python3
"""Times this project against the libraries that users would pick instead, in one run and in turn.

Everybody gets the same network (timm's, random weights that are the same every time), converted for each; everybody's
output is compared with PyTorch's before it is timed; everybody runs in a process of its own while the others wait.
Cold starts and memory come first. What is installed, built and converted goes to --folder and is used again; the
versions are pinned in requirements-peers.txt. The first run takes long: it installs 7 GB (PyTorch with CUDA's
libraries, on Linux) and converts for some minutes. Other work on the machine spoils the numbers, those of several
threads most.

Without --models, --threads and --batches: the rows of docs/performance.md. With one of them: all combinations, where
what is not given is ghostnetv2_100, 1 and 2 threads, batch 1. With --heads: detectors and a Semantic FPN instead, on 2
threads. With --device cuda: ghostnetv2_100 on the first GPU, against PyTorch in three ways, in f32, f16 and bf16.

Output: Markdown on standard output, and one line of JSON per result in --out. A peer that fails is named and left out.

Examples:
  python scripts/bench_peers.py --write docs/performance.md
  python scripts/bench_peers.py --heads --write docs/performance.md
  python scripts/bench_peers.py --models ghostnetv2_100 --threads 1 --peers ort,openvino --rounds 5
  python scripts/bench_peers.py --device cuda --write docs/cuda.md
  python scripts/bench_peers.py --models ghostnetv2_160 --batches 8,32 --threads 2 --precision f32,bf16 --no-cold
"""

import argparse
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from peers import environment, machine, table
from peers.comparison import Comparison
from peers.exports import Exports
from peers.failure import Failure
from peers.ours import Programs, Variant
from peers.roster import GPU_PEERS, KEYS, PEERS, Work
from peers.sizes import HEADS

ROWS = (
    *(Work(model, 1, threads) for model in ("ghostnetv2_100", "ghostnetv2_160", "ghostnet_100") for threads in (1, 2)),
    *(Work("ghostnetv2_100", batch, 2) for batch in (8, 32)),
)
"""The work that docs/performance.md shows."""
HEADED_ROWS = tuple(Work(model, 1, 2) for model in HEADS)
GPU_ROWS = tuple(Work("ghostnetv2_100", batch, 1) for batch in (1, 8, 64, 256))
HEADED_PEERS = ("ort", "openvino", "ncnn", "litert")
"""With --heads, where nothing else is asked for."""


def names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def counts(text: str) -> list[int]:
    """Whole numbers above 0, as argparse wants them read."""
    if not all(part.isdecimal() and int(part) > 0 for part in names(text) or [text]):
        raise argparse.ArgumentTypeError(f"expected whole numbers above 0, found {text}")
    return [int(part) for part in names(text)]


def peer_keys(text: str) -> list[str]:
    if unknown := sorted(set(names(text)) - set(KEYS)):
        raise argparse.ArgumentTypeError(f"no peer {', '.join(unknown)}: expected some of {','.join(KEYS)}")
    return names(text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=names, help="timm's names, such as ghostnetv2_100,ghostnet_100")
    parser.add_argument("--heads", action="store_true", help=f"time the networks with heads: {', '.join(HEADS)}")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="what computes (default: cpu)")
    parser.add_argument("--threads", type=counts, help="numbers of threads, such as 1,2")
    parser.add_argument("--batches", type=counts, help="pictures at once, such as 1,8")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each contestant (default: 7)")
    parser.add_argument("--seconds", type=float, default=0.4, help="length of a turn (default: 0.4)")
    parser.add_argument("--cold-runs", type=int, default=9, help="cold starts of each contestant (default: 9)")
    parser.add_argument("--no-cold", action="store_true", help="leave out cold starts and memory")
    every = ",".join(KEYS)
    parser.add_argument("--peers", type=peer_keys, help=f"who takes part (default: {every}; fewer with --heads)")
    parser.add_argument("--backend", type=names, help="backends of ours (default: plan; cuda,cuda-graph on a GPU)")
    parser.add_argument("--precision", type=names, help="precisions of ours (default: f32; f32,f16,bf16 on a GPU)")
    parser.add_argument("--python", type=Path, help="an interpreter that has the peers, instead of a new environment")
    parser.add_argument("--no-build", action="store_true", help="take this project's programs as they are built")
    parser.add_argument("--folder", type=Path, default=environment.ROOT / "target" / "peers", help="where it all goes")
    parser.add_argument("--out", type=Path, help="the results as JSON lines (default: results.jsonl in --folder)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables between the marks of this kind of table")
    args = parser.parse_args()
    if args.rounds < 1 or args.cold_runs < 1 or not 0 < args.seconds <= 60:
        parser.error("expected at least one round, one cold run, and more than 0 and at most 60 seconds")
    on_gpu = args.device == "cuda"
    if args.heads and on_gpu:
        parser.error("--heads are timed on the CPU only")
    args.backend = args.backend or (["cuda", "cuda-graph"] if on_gpu else ["plan"])
    args.precision = args.precision or (["f32", "f16", "bf16"] if on_gpu else ["f32"])
    args.models = args.models or (list(HEADS) if args.heads and (args.threads or args.batches) else None)
    every = [peer.key for peer in (GPU_PEERS if on_gpu else PEERS)]
    args.peers = args.peers or list(HEADED_PEERS if args.heads else every)
    args.no_cold |= args.heads or on_gpu
    return args


def works(args: argparse.Namespace) -> Iterable[Work]:
    """What is to be timed."""
    if not (args.models or args.threads or args.batches):
        return HEADED_ROWS if args.heads else GPU_ROWS if args.device == "cuda" else ROWS
    models, batches = args.models or ["ghostnetv2_100"], args.batches or [1]
    threads = [1] if args.device == "cuda" else [1, 2]
    return [Work(m, b, t) for m in models for b in batches for t in args.threads or threads]


def rten(args: argparse.Namespace) -> Path | Failure:
    """The worker of the peer rten, or why there is none."""
    if "rten" not in args.peers:
        return Failure("not asked for")
    try:
        return environment.build_rten(args.folder)
    except Failure as error:
        return error


def main() -> None:
    args = arguments()
    on_gpu = args.device == "cuda"
    kind = "heads" if args.heads else "cuda" if on_gpu else "peers"
    if args.write:
        table.split(args.write, kind)  # stops here rather than after an hour
    args.folder = args.folder.resolve()
    args.folder.mkdir(parents=True, exist_ok=True)
    out = args.out or args.folder / "results.jsonl"
    out.write_text("", encoding="utf-8")
    python = args.python or environment.python(args.folder)
    peers = [peer for peer in (GPU_PEERS if on_gpu else PEERS) if peer.key in args.peers]
    packages = {peer.package for peer in peers} | ({"timm"} if on_gpu else {"litert-torch", "pnnx", "timm"})
    if not args.no_build:
        environment.build_ours(("cuda",) if on_gpu else ())
    comparison = Comparison(
        peers=peers,
        variants=[
            Variant(backend, precision, postprocess)
            for backend in args.backend
            for precision in args.precision
            for postprocess in (False, True)
        ],
        python=python,
        rten=rten(args),
        exports=Exports(args.folder, python),
        programs=Programs(environment.target() / "release" / "examples"),
        out=out,
    )
    command = shlex.join(["python", "scripts/bench_peers.py", *sys.argv[1:]])
    run = {"command": command, "rounds": args.rounds, "seconds": args.seconds}
    comparison.keep([machine.describe(environment.versions(python, packages), on_gpu) | run])
    rows = list(works(args))
    if not args.no_cold:
        comparison.cold(Work(rows[0].model, 1, max(work.threads for work in rows)), args.cold_runs)
    for work in rows:
        comparison.time(work, args.rounds, args.seconds)
    tables = table.render(comparison.records)
    print(tables)
    if args.write:
        table.write(args.write, kind, tables)


if __name__ == "__main__":
    main()
