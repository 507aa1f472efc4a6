#!/usr/bin/env python3
"""Gradients of whole networks in training mode as PyTorch has them, for the Rust tests of the crate `train`.

Three networks (training_fixtures/) at width 0.25, filled by formula, one batch of 3 pictures by formula at odd sizes:
97x129 for a classifier and a Semantic FPN `lite`, 161x193 for a RetinaNet `lite`, whose coarsest level has 2x2 cells.

Written to train/tests/fixtures: gradients_TASK.safetensors, with KIND `gradients` (of every parameter) and `statistics`
(running means and variances after the step), tensors in the order of their names:
  loss           f64 [1]
  KIND.names     u8, the names, one a line
  KIND.products  f64 [N, 4]  sum over i of value[i] * u("product/K/NAME", i)
  KIND.scales    f64 [N]     the tensor's norm, or where it is zero but for rounding 1e-2 of the norms' median
  KIND.noise     f64 [N]     norm of what f32 strays from f64, as a share of that scale
All values are of f64.

Command: python scripts/make_training_gradients.py        (seconds; versions in requirements.txt)
"""

import argparse

import numpy as np
import torch

import formula
from training_fixtures import networks, stored, tasks

WIDTH, PICTURES, PRODUCTS = 0.25, 3, 4
SIZES = {"classifier": (97, 129), "detector": (161, 193), "segmenter": (97, 129)}


def step(task: tasks.Task, dtype: torch.dtype) -> tuple[float, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Loss, gradients, and statistics after the step."""
    model = networks.fill(task.network(WIDTH)).to(dtype)
    loss = task.loss(model, dtype, 0, PICTURES, SIZES[task.name])
    loss.backward()
    gradients = {name: p.grad.double().numpy().reshape(-1) for name, p in model.named_parameters()}
    statistics = {name: b.double().numpy().reshape(-1) for name, b in model.named_buffers() if "running" in name}
    return loss.item(), gradients, statistics


def keep(kept: dict, kind: str, single: dict[str, np.ndarray], double: dict[str, np.ndarray]) -> None:
    names = sorted(double)
    norms = np.array([np.linalg.norm(double[name]) for name in names])
    scales = np.maximum(norms, 1e-2 * np.median(norms))
    noise = np.array([np.linalg.norm(single[name] - double[name]) for name in names]) / scales
    products = [
        [np.dot(double[name], formula.uniform(f"product/{k}/{name}", double[name].shape).astype(np.float64))
         for k in range(PRODUCTS)]
        for name in names
    ]
    kept[f"{kind}.names"] = np.frombuffer("\n".join(names).encode(), dtype=np.uint8)
    kept[f"{kind}.products"], kept[f"{kind}.scales"], kept[f"{kind}.noise"] = np.array(products), scales, noise
    worst = noise.argmax()
    print(f"  {len(names)} {kind}; f32 strays by {np.median(noise):.1e} in the median, {noise.max():.1e} at "
          f"{names[worst]}, above 1e-4 in {(noise > 1e-4).sum()}; {(norms < scales).sum()} are zero but for rounding")


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    torch.set_num_threads(1)  # sums depend on the number of threads: one machine writes the same bytes every time
    for task in tasks.TASKS:
        (loss, *single), (exact, *double) = step(task, torch.float32), step(task, torch.float64)
        print(f"{task.name}: loss {loss:.6f}, in f64 {exact:.6f}")
        kept: dict = {"loss": np.array([exact])}
        for kind, found, exactly in zip(("gradients", "statistics"), single, double, strict=True):
            keep(kept, kind, found, exactly)
        stored.save(f"gradients_{task.name}", kept, "python scripts/make_training_gradients.py")


if __name__ == "__main__":
    main()
