#!/usr/bin/env python3
"""The first 50 steps of training as PyTorch does them, for the Rust tests of the crate `train`.

Three networks (training_fixtures/) at width 0.5: a classifier (timm's), a RetinaNet `lite` and a Semantic FPN `lite`.
Weights are filled by formula; five batches of pictures, by formula too, are seen in turn (how many, and how large, is in
RECIPES); nothing is random. All learn by AdamW with weight decay 0.01 on everything, at a constant rate.

Training amplifies rounding: a batch-norm over few values, or a gradient that is large at first as these are, and f32
and f64 part within ten steps (SGD with momentum at rates from 0.0005 did, and so did the detector at 128x128, whose
coarsest maps are one cell). These recipes are calm enough to compare all 50 losses.

Written to train/tests/fixtures: curve_TASK.safetensors
  loss    f32 [50], before each step
  exact   f64 [50], the same computed in f64
  rate    f64 [1], the learning rate

The script stops where rounding alone moves a loss by more than 5e-4 of it, half of what the tests allow: such a recipe
would compare chance with chance.

Command: python scripts/train_curves.py [TASK ...]        (minutes; versions in requirements.txt)
"""

import argparse
import time

import numpy as np
import torch

from training_fixtures import networks, stored, tasks

STEPS, BATCHES, WIDTH = 50, 5, 0.5
# Task: pictures of a batch, their size, learning rate.
RECIPES = {
    "classifier": (16, (64, 64), 2e-5),
    "detector": (4, (160, 160), 4e-6),
    "segmenter": (8, (64, 64), 3e-5),
}


def curve(task: tasks.Task, dtype: torch.dtype) -> list[float]:
    model = networks.fill(task.network(WIDTH)).to(dtype)
    pictures, size, rate = RECIPES[task.name]
    steps = torch.optim.AdamW(model.parameters(), rate, eps=1e-8, weight_decay=0.01)
    losses = []
    for step in range(STEPS):
        batch = step % BATCHES
        loss = task.loss(model, dtype, batch, pictures, size)
        steps.zero_grad()
        loss.backward()
        steps.step()
        losses.append(loss.item())
    return losses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", help="which tasks (default: all)")
    chosen = parser.parse_args().tasks
    torch.set_num_threads(1)  # sums depend on the number of threads: one machine writes the same bytes every time
    for task in tasks.TASKS:
        if chosen and task.name not in chosen:
            continue
        start = time.time()
        single, double = np.array(curve(task, torch.float32)), np.array(curve(task, torch.float64))
        strays = np.abs(single / double - 1)
        print(f"{task.name}: loss {single[0]:.4f} to {single[-5:].mean():.4f}, {time.time() - start:.0f} s; "
              f"f32 strays from f64 by {strays.max():.1e} at step {strays.argmax()}")
        if strays.max() > 5e-4:
            raise SystemExit(f"{task.name}: choose a calmer recipe")
        kept = {"loss": single.astype(np.float32), "exact": double, "rate": np.array([RECIPES[task.name][2]])}
        stored.save(f"curve_{task.name}", kept, "python scripts/train_curves.py")


if __name__ == "__main__":
    main()
