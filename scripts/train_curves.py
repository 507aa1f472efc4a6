#!/usr/bin/env python3
"""The first 50 steps of training as PyTorch does them, for the Rust tests of the crate `train`.

Three networks (training_fixtures/) at width 0.5, pictures of 64x64, or 128x128 for the detector, whose coarsest level
is a single cell at half of that: a classifier (timm's), a RetinaNet `lite` and a Semantic FPN `lite`. Weights are filled
by formula; five batches of 4 pictures, by formula too, are seen in turn; nothing is random. Classifier and detector
learn by SGD with momentum 0.9 (Nesterov) and weight decay 1e-4 on everything, the segmentation network by AdamW with
weight decay 0.01 on everything. The learning rate is constant (RECIPES).

Written to train/tests/fixtures: curve_TASK.safetensors
  loss    f32 [50], before each step
  exact   f64 [50], the same computed in f64
  rate    f64 [1], the learning rate

The script stops where rounding alone moves a loss by more than 5e-4 of it, half of what the tests allow: such a recipe
would compare chance with chance.

Command: python scripts/train_curves.py [TASK ...]        (two minutes; versions in requirements.txt)
"""

import argparse
import time

import numpy as np
import torch

from training_fixtures import networks, stored, tasks

STEPS, BATCHES, PICTURES, WIDTH = 50, 5, 4, 0.5
SIZES = {"classifier": (64, 64), "detector": (128, 128), "segmenter": (64, 64)}
RATES = {"classifier": 0.02, "detector": 0.01, "segmenter": 1e-3}


def optimizer(task: str, model: torch.nn.Module) -> torch.optim.Optimizer:
    if task == "segmenter":
        return torch.optim.AdamW(model.parameters(), RATES[task], eps=1e-8, weight_decay=0.01)
    return torch.optim.SGD(model.parameters(), RATES[task], momentum=0.9, nesterov=True, weight_decay=1e-4)


def curve(task: tasks.Task, dtype: torch.dtype) -> list[float]:
    model = networks.fill(task.network(WIDTH)).to(dtype)
    steps = optimizer(task.name, model)
    losses = []
    for step in range(STEPS):
        batch = step % BATCHES
        loss = task.loss(model, dtype, batch, PICTURES, SIZES[task.name])
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
        kept = {"loss": single.astype(np.float32), "exact": double, "rate": np.array([RATES[task.name]])}
        stored.save(f"curve_{task.name}", kept, "python scripts/train_curves.py")


if __name__ == "__main__":
    main()
