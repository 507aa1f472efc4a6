#!/usr/bin/env python3
"""Training steps here and in PyTorch, in turn: ghostnetv2_100, forward, backward, AdamW, f32, random pictures.

Build first: cargo bench -p train --bench step --no-run
Command: python scripts/bench_training.py TARGET/release/deps/step-HASH --rounds 3
PyTorch runs in its memory format channels_last, its faster one on a CPU, with timm's model and a fused AdamW.
Each turn is a process of its own. Prints medians over the rounds, and the ratio.
Versions: requirements.txt.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time


def torch_steps(threads: int, batch: int, side: int, steps: int) -> dict[str, float]:
    """One turn of PyTorch."""
    import timm
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = timm.create_model("ghostnetv2_100", num_classes=200, drop_rate=0.2).train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05, fused=True)
    images = torch.randn(batch, 3, side, side).to(memory_format=torch.channels_last)
    labels = torch.arange(batch) % 200
    times = []
    for step in range(steps + 2):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
        if step >= 2:
            times.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"images_per_s": batch / statistics.median(times), "best_images_per_s": batch / min(times), "peak_rss_mb": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ours", help="the built bench, or `torch` for one turn of PyTorch alone")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    numbers = [args.threads, args.batch, args.side, args.steps]
    if args.ours == "torch":
        print(json.dumps(torch_steps(*numbers)))
        return
    flags = [f"--{name}={value}" for name, value in zip(("threads", "batch", "side", "steps"), numbers, strict=True)]
    commands = {"ours": [args.ours, *map(str, numbers)], "torch": [sys.executable, __file__, "torch", *flags]}
    turns = {name: [] for name in commands}
    for _ in range(args.rounds):
        for name, command in commands.items():
            line = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            turns[name].append(json.loads(line))
    median = {name: {key: statistics.median(turn[key] for turn in found) for key in found[0]} for name, found in turns.items()}
    for name, found in median.items():
        print(name, " ".join(f"{key} {value:.1f}" for key, value in found.items()))
    print(f"ratio of images per second {median['ours']['images_per_s'] / median['torch']['images_per_s']:.2f}, "
          f"of peak memory {median['ours']['peak_rss_mb'] / median['torch']['peak_rss_mb']:.2f}")


if __name__ == "__main__":
    main()
