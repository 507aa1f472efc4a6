#!/usr/bin/env python3
"""Values and gradients of single operations as PyTorch computes them, for the Rust tests.

Each case is an operation at odd sizes, on operands by formula (formula.py). The operand `x` of the case `conv 3x3` is
u("conv 3x3/x", i). With y = op(x, ...),
  loss = sum of y * u("CASE/y", i) + sum over the operands t of t * u("CASE/again/NAME", i)
so that every operand is used twice, and a gradient that overwrites instead of adding is found out.

Written to ghostnetv2/tests/fixtures/op_gradients.safetensors, computed in f64 and stored in f32:
  CASE/y           the values
  CASE/grad/NAME   the gradient of the loss with respect to an operand
The list of cases with their operations, shapes and numbers is in the metadata: the Rust tests read it from there.

Command: python scripts/make_op_gradients.py        (seconds; versions in requirements.txt)
"""

import numpy as np
import torch
import torch.nn.functional as F

import formula
from fixture_models import FIXTURES, save

MAP = [2, 3, 7, 5]


def conv(name: str, kernel: tuple[int, int], outputs: int = 4, x=MAP, **numbers) -> dict:
    case = {"stride": 1, "padding": [0, 0], "dilation": 1, "groups": 1, **numbers}
    weight = [outputs, x[1] // case["groups"], *kernel]
    return {"name": name, "op": "conv", **case, "operands": {"x": x, "weight": weight, "bias": [outputs]}}


def depthwise(name: str, kernel: tuple[int, int], stride: int, x: list[int]) -> dict:
    padding = [kernel[0] // 2, kernel[1] // 2]
    return conv(name, kernel, x[1], x, stride=stride, padding=padding, groups=x[1])


def simple(name: str, op: str, x=MAP, others: dict | None = None, **numbers) -> dict:
    return {"name": name, "op": op, **numbers, "operands": {"x": x, **(others or {})}}


def norm(name: str, op: str, x: list[int], **numbers) -> dict:
    return simple(name, op, x, {"weight": [x[1]], "bias": [x[1]]}, **numbers)


CASES = [
    conv("conv 1x1", (1, 1)),
    conv("conv 1x1/2", (1, 1), stride=2),
    conv("conv 3x3", (3, 3), padding=[1, 1]),
    conv("conv 3x3/2 odd", (3, 3), stride=2, padding=[1, 1]),
    conv("conv 3x3/2 even", (3, 3), x=[2, 3, 6, 4], stride=2, padding=[1, 1]),
    conv("conv 3x3 dilated", (3, 3), padding=[2, 2], dilation=2),
    conv("conv 1x5", (1, 5), padding=[0, 2]),
    conv("conv 5x1", (5, 1), padding=[2, 0]),
    conv("conv 2x3 unpadded", (2, 3)),
    depthwise("depthwise 3x3", (3, 3), 1, [2, 3, 7, 5]),
    depthwise("depthwise 3x3/2", (3, 3), 2, [2, 3, 7, 5]),
    depthwise("depthwise 3x3/2 even", (3, 3), 2, [2, 5, 4, 6]),
    depthwise("depthwise 5x5", (5, 5), 1, [1, 9, 3, 5]),
    depthwise("depthwise 5x5/2", (5, 5), 2, [2, 3, 9, 4]),
    depthwise("depthwise 1x5", (1, 5), 1, [2, 3, 3, 7]),
    depthwise("depthwise 5x1", (5, 1), 1, [2, 3, 7, 2]),
    norm("batch-norm", "batch-norm", [3, 5, 3, 5], epsilon=1e-5),
    norm("batch-norm of two values", "batch-norm", [2, 5, 1, 1], epsilon=1e-3),
    norm("affine", "affine", MAP),
    norm("group-norm", "group-norm", [2, 6, 5, 3], groups=3, epsilon=1e-5),
    simple("relu", "relu"),
    simple("sigmoid", "sigmoid"),
    simple("hard-sigmoid", "hard-sigmoid", scale=5.0),
    simple("gate", "gate", [2, 3, 7, 5], {"gate": [2, 3, 3, 2]}),
    simple("gate at half", "gate", [2, 3, 8, 6], {"gate": [2, 3, 4, 3]}),
    simple("gate of a vector", "gate", [2, 3, 5, 3], {"gate": [2, 3, 1, 1]}),
    *(
        simple(f"{op} {h}x{w} to {to[0]}x{to[1]}", op, [1, 2, h, w], to=list(to))
        for op in ("nearest", "bilinear", "bilinear-corners")
        for h, w, to in ((3, 2, (7, 4)), (4, 5, (8, 10)), (7, 5, (3, 2)), (3, 4, (3, 9)), (2, 3, (1, 1)))
    ),
    simple("avg-pool odd", "avg-pool", [2, 3, 7, 5], kernel=[2, 2], stride=2, padding=[0, 0]),
    simple("avg-pool even", "avg-pool", [2, 3, 4, 6], kernel=[2, 2], stride=2, padding=[0, 0]),
    simple("global-pool", "global-pool", [2, 3, 7, 5]),
    simple("max-pool 2x2", "max-pool", [2, 3, 7, 5], kernel=[2, 2], stride=2, padding=[0, 0]),
    simple("max-pool 3x3/2", "max-pool", [2, 3, 7, 6], kernel=[3, 3], stride=2, padding=[1, 1]),
    simple("max-pool 3x3 of few values", "max-pool", [2, 3, 5, 5], kernel=[3, 3], stride=1, padding=[1, 1], levels=2),
    simple("max-pool 1x1/2", "max-pool", [2, 3, 5, 5], kernel=[1, 1], stride=2, padding=[0, 0]),
]


def operand(case: dict, name: str) -> torch.Tensor:
    values = formula.uniform(f"{case['name']}/{name}", tuple(case["operands"][name])).astype(np.float64)
    if name == "x":
        values *= case.get("scale", 1.0)
        if "levels" in case:  # many equal values: ties
            values = np.floor(values * case["levels"])
    return torch.from_numpy(values).requires_grad_()


def applied(case: dict, t: dict[str, torch.Tensor]) -> torch.Tensor:
    x = t["x"]
    match case["op"]:
        case "bilinear" | "bilinear-corners":
            return F.interpolate(x, case["to"], mode="bilinear", align_corners=case["op"].endswith("corners"))
        case "conv":
            numbers = {key: case[key] for key in ("stride", "padding", "dilation", "groups")}
            return F.conv2d(x, t["weight"], t["bias"], **numbers)
        case "batch-norm":
            return F.batch_norm(x, None, None, t["weight"], t["bias"], training=True, eps=case["epsilon"])
        case "affine":
            return x * t["weight"].view(1, -1, 1, 1) + t["bias"].view(1, -1, 1, 1)
        case "group-norm":
            return F.group_norm(x, case["groups"], t["weight"], t["bias"], case["epsilon"])
        case "relu":
            return F.relu(x)
        case "sigmoid":
            return torch.sigmoid(x)
        case "hard-sigmoid":
            return F.hardsigmoid(x)
        case "gate":
            return x * F.interpolate(t["gate"], x.shape[2:], mode="nearest")
        case "nearest":
            return F.interpolate(x, case["to"], mode="nearest")
        case "avg-pool":
            return F.avg_pool2d(x, case["kernel"], case["stride"], case["padding"])
        case "global-pool":
            return x.mean((2, 3), keepdim=True)
        case "max-pool":
            return F.max_pool2d(x, case["kernel"], case["stride"], case["padding"])
    raise SystemExit(f"{case['name']}: no such operation")


def formula_like(name: str, values: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(formula.uniform(name, tuple(values.shape)).astype(np.float64))


def main() -> None:
    kept = {}
    for case in CASES:
        name = case["name"]
        operands = {key: operand(case, key) for key in case["operands"]}
        y = applied(case, operands)
        loss = (y * formula_like(f"{name}/y", y)).sum()
        for key, values in operands.items():
            loss = loss + (values * formula_like(f"{name}/again/{key}", values)).sum()
        loss.backward()
        found = {"y": y, **{f"grad/{key}": values.grad for key, values in operands.items()}}
        for key, values in found.items():
            kept[f"{name}/{key}"] = np.ascontiguousarray(values.detach().numpy().astype(np.float32))
    save(FIXTURES.parent / "op_gradients.safetensors", kept, "python scripts/make_op_gradients.py", cases=CASES)


if __name__ == "__main__":
    main()
