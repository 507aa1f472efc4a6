#!/usr/bin/env python3
"""Gradients through a whole GhostNetV2 at odd sizes as PyTorch computes them, for the Rust tests.

The network is GhostNetV2 at width 0.25 with 10 classes, filled by formula (formula.py), in eval mode (batch norms use
their running statistics, no dropout), f32. The picture is u("input", i) over [2, 3, 65, 97], and
  loss = sum over i of logits[i] * u("grad_logits", i)       i being the flat index of the [2, 10] logits

Written: gradients_ghostnetv2_025.safetensors
  logits        the whole [2, 10]
  loss          f64 [1]
  input         256 samples of the gradient with respect to the picture
  grad/NAME     16 samples of the gradient with respect to every parameter, by its name in timm
fixture_models.py tells how a tensor is stored (KEY, KEY.stats, KEY.shape), formula.py which samples are kept.

Every gradient was also computed in f64: the script stops if f32 strays from it by more than 1e-3 of a value plus 1e-3
of the tensor's mean magnitude, so that a test may ask for a few times that.

Command: python scripts/make_gradient_fixture.py        (seconds; versions in requirements.txt)
"""

import argparse
from pathlib import Path

import numpy as np
import torch

import formula
from fixture_models import FIXTURES, Network, keep, picture, save

NETWORK = Network("ghostnetv2_025", "v2", 0.25, classes=10)
BATCH, HEIGHT, WIDTH = 2, 65, 97
SAMPLES, INPUT_SAMPLES = 16, 256


def gradients(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """Logits, loss, and the gradient of every parameter and of the picture (under "input")."""
    model = NETWORK.filled().to(dtype)
    x = picture(BATCH, HEIGHT, WIDTH).to(dtype).requires_grad_()
    weights = torch.from_numpy(formula.uniform("grad_logits", (BATCH, NETWORK.classes))).to(dtype)
    logits = model(x)
    loss = (logits * weights).sum()
    loss.backward()
    found = {f"grad/{name}": parameter.grad for name, parameter in model.named_parameters()}
    return logits.detach(), loss.detach(), {"input": x.grad, **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=FIXTURES, help="the folder to write to (default: the tests')")
    args = parser.parse_args()
    torch.set_num_threads(1)  # sums depend on the number of threads: one machine writes the same bytes every time

    logits, loss, found = gradients(torch.float32)
    _, exact_loss, exact = gradients(torch.float64)
    worst = 0.0
    for key, values in found.items():
        size = exact[key].abs().mean()
        if size == 0:
            raise SystemExit(f"{key}: the gradient is zero, so that it would test nothing")
        error = ((values.double() - exact[key]).abs() / (1e-3 * exact[key].abs() + 1e-3 * size)).max().item()
        worst = max(worst, error)
        if error > 1:
            raise SystemExit(f"{key}: f32 strays from f64 by {error:.2f} times what the fixture allows")
    print(f"{len(found)} gradients; loss {loss.item():.6f}, in f64 {exact_loss.item():.6f}")
    print(f"the worst f32 gradient takes {worst:.3f} of what is allowed")

    kept = {"loss": np.array([exact_loss.item()])}
    keep(kept, "logits", logits, None)
    for key, values in found.items():
        keep(kept, key, values, INPUT_SAMPLES if key == "input" else SAMPLES)
    save(
        args.output / f"gradients_{NETWORK.name}.safetensors", kept, "python scripts/make_gradient_fixture.py",
        version=NETWORK.version, width=NETWORK.width, classes=NETWORK.classes, batch=BATCH,
    )


if __name__ == "__main__":
    main()
