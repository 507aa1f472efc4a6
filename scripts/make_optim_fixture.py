#!/usr/bin/env python3
"""Optimisers, clipping, moving averages and schedules as PyTorch and timm have them, for the crate `train`.

Two parameters, `conv.weight` [3, 4] and `bn.weight` [5], start at u("start/NAME", i); at step k, counted from 0, their
gradients are 4 * u("gradient/k/NAME", i) and the rate is the base rate times RATES[k]. (u: see formula.py.) The first
step's gradients are a thousandth of that, where epsilons tell. The vector is exempt from weight decay where timm's
groups say so. All sums are of f64.

Written to train/tests/fixtures/optim.safetensors, f64:
  RULE/NAME   [6, ...]  the parameter after each step; the rules are OPTIMIZERS, which train/tests/optim.rs names alike
  clip/norms  [6]       the norms that clip_grad_norm_ gives, before clipping
  ema-W/NAME  [6, ...]  timm's ModelEmaV3 with (`warm`) and without (`flat`) warm-up, updated as timm's train.py does,
                        while parameters are u("average/k/NAME", i)
  rate/SHAPE  [N]       the rate of each step, at a base of 0.5; the shapes are in `schedules`

Command: python scripts/make_optim_fixture.py        (seconds; versions in requirements.txt)
"""

import argparse

import numpy as np
import torch
from timm.optim import RMSpropTF, param_groups_weight_decay
from timm.utils import ModelEmaV3
from torch.optim import SGD, AdamW, Optimizer, lr_scheduler

import formula
from training_fixtures import stored

STEPS, BASE = 6, 0.5
RATES = (1.0, 0.8, 0.6, 0.4, 0.2, 0.1)
LIMIT = 3.0  # between the gradients' norms, so that some steps are clipped
SHAPES = {"conv.weight": (3, 4), "bn.weight": (5,)}

SMALL = {"lr": 0.01, "betas": (0.8, 0.95)}
TENSORFLOW = {"lr": 0.05, "momentum": 0.9, "alpha": 0.9, "eps": 1e-3, "lr_in_momentum": True}
# rule: (class, its numbers, weight decay, whether vectors decay, the vector's share of the rate)
OPTIMIZERS = {
    "sgd-plain": (SGD, {"lr": 0.1}, 0.0, False, 1.0),
    "sgd-momentum": (SGD, {"lr": 0.1, "momentum": 0.9}, 0.05, False, 1.0),
    "sgd-nesterov": (SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}, 0.05, True, 1.0),
    "sgd-factor": (SGD, {"lr": 0.1, "momentum": 0.9}, 0.05, True, 0.1),
    "clip": (SGD, {"lr": 0.1, "momentum": 0.9}, 0.05, False, 1.0),
    "adamw": (AdamW, {"lr": 0.01}, 0.05, False, 1.0),
    "adamw-betas": (AdamW, SMALL | {"eps": 1e-3}, 0.5, True, 1.0),
    "rmsproptf": (RMSpropTF, TENSORFLOW, 0.05, False, 1.0),
    "rmsproptf-vectors": (RMSpropTF, TENSORFLOW | {"alpha": 0.99}, 0.05, True, 0.1),
    "rmsproptf-still": (RMSpropTF, TENSORFLOW | {"momentum": 0.0}, 0.0, False, 1.0),
}


class Model(torch.nn.Module):
    """The two parameters, under their names."""

    def __init__(self) -> None:
        super().__init__()
        for name, shape in SHAPES.items():
            layer = torch.nn.Module()
            layer.weight = torch.nn.Parameter(torch.zeros(shape, dtype=torch.float64))
            self.add_module(name.split(".")[0], layer)

    def set(self, prefix: str) -> "Model":
        for name, value in self.named_parameters():
            value.data = values(f"{prefix}/{name}", SHAPES[name])
        return self


def values(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.from_numpy(formula.uniform(name, shape).astype(np.float64))


def groups(model: Model, decay: float, vectors: bool, share: float, rate: float) -> list[dict]:
    made = param_groups_weight_decay(model, weight_decay=decay or 1.0)  # with 0, timm makes one group of all
    (exempt, vector), (decayed, matrix) = ((group, group["params"]) for group in made)
    assert [p.ndim for p in vector + matrix] == [1, 2] and exempt["weight_decay"] == 0
    exempt["weight_decay"], exempt["lr"] = decay if vectors else 0.0, rate * share
    decayed["weight_decay"], decayed["lr"] = decay, rate
    return made


def optimizers(kept: dict) -> None:
    for rule, (kind, numbers, decay, vectors, share) in OPTIMIZERS.items():
        model = Model().set("start")
        optimizer = kind(groups(model, decay, vectors, share, numbers["lr"]), **numbers)
        bases = [group["lr"] for group in optimizer.param_groups]
        seen, norms = {name: [] for name in SHAPES}, []
        for k, rate in enumerate(RATES):
            for group, base in zip(optimizer.param_groups, bases, strict=True):
                group["lr"] = base * rate
            for name, parameter in model.named_parameters():
                parameter.grad = values(f"gradient/{k}/{name}", SHAPES[name]) * (4.0 if k else 4e-3)
            if rule == "clip":
                norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), LIMIT).item())
            optimizer.step()
            for name, parameter in model.named_parameters():
                seen[name].append(parameter.detach().numpy().copy())
        kept.update({f"{rule}/{name}": np.stack(steps) for name, steps in seen.items()})
        if norms:
            assert min(norms) < LIMIT < max(norms)
            kept["clip/norms"] = np.array(norms)


def averages(kept: dict) -> None:
    for tag, warm in (("warm", True), ("flat", False)):
        model = Model().set("start")
        average = ModelEmaV3(model, decay=0.55, use_warmup=warm)  # the warm-up ends at the fourth update
        seen = {name: [] for name in SHAPES}
        for k in range(STEPS):
            average.update(model.set(f"average/{k}"), step=k + 1)
            for name, value in average.module.named_parameters():
                seen[name].append(value.detach().numpy().copy())
        kept.update({f"ema-{tag}/{name}": np.stack(steps) for name, steps in seen.items()})


def rates(count: int, make) -> np.ndarray:
    optimizer: Optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=BASE)
    schedule, seen = make(optimizer), []
    for step in range(count):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step + 1 < count:
            schedule.step()
    return np.array(seen)


def schedules(kept: dict) -> None:
    def cycle(steps: int, rise: float):
        return lambda o: lr_scheduler.OneCycleLR(
            o, BASE, total_steps=steps, pct_start=rise, div_factor=10.0, final_div_factor=100.0, cycle_momentum=False
        )

    def warm(o: Optimizer) -> lr_scheduler.LinearLR:
        return lr_scheduler.LinearLR(o, start_factor=0.1, total_iters=4)

    made = {
        "cosine": (21, lambda o: lr_scheduler.CosineAnnealingLR(o, 20, eta_min=0.01 * BASE)),
        "steps": (21, lambda o: lr_scheduler.MultiStepLR(o, [8, 15], gamma=0.1)),
        "poly": (21, lambda o: lr_scheduler.PolynomialLR(o, 20, power=0.9)),
        "one-cycle": (20, cycle(20, 0.3)),
        "one-cycle-odd": (7, cycle(7, 0.25)),
        "one-cycle-falling": (7, cycle(7, 0.1)),
        "warm-cosine": (21, lambda o: lr_scheduler.SequentialLR(
            o, [warm(o), lr_scheduler.CosineAnnealingLR(o, 16)], milestones=[4])),
        "warm-steps": (21, lambda o: lr_scheduler.ChainedScheduler(
            [warm(o), lr_scheduler.MultiStepLR(o, [8, 15], gamma=0.1)])),
    }
    kept.update({f"rate/{name}": rates(count, make) for name, (count, make) in made.items()})


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    torch.set_num_threads(1)
    kept: dict = {}
    optimizers(kept)
    averages(kept)
    schedules(kept)
    stored.save("optim", kept, "python scripts/make_optim_fixture.py")


if __name__ == "__main__":
    main()
