#!/usr/bin/env python3
"""Logits and feature pyramids of GhostNetV2 as MindSpore has it, for the Rust tests.

The network is the re-statement of `originals/of_mindspore.py`, filled by formula under timm's names (formula.py), in
eval mode in f32. prove_sources.py --mindspore-code compares the re-statement with the authors' own file run by
MindSpore.

Written to ghostnetv2/tests/fixtures/models/:
  mindspore_ghostnetv2_090.safetensors  width 0.9, where rounding up gives other channels, 10 classes, batch 2, 64x64
  and
                                        33x47; the keys are those of make_model_fixtures.py

Command: python scripts/make_mindspore_fixture.py
"""

import argparse
from pathlib import Path

import numpy as np
import torch

import formula
from converters.ghostnet import STAGES, TIMM_TAPS, Architecture
from converters.of_mindspore import timms_name
from fixture_models import FIXTURES, check_magnitude, check_precision, keep, picture, save
from originals.of_mindspore import GhostNet, mindspores_name

ARCHITECTURE = Architecture("v2", 90, mindspore=True)
CLASSES, BATCH, SIZES, SAMPLES = 10, 2, ((64, 64), (33, 47)), 256
STAGE_ENDS = (0, 2, 4, 6, 8)


def filled() -> GhostNet:
    model = GhostNet(ARCHITECTURE, CLASSES).eval()
    values = {
        name: torch.from_numpy(np.asarray(formula.tensor(timms_name(mindspores_name(name)), tuple(value.shape))))
        for name, value in model.state_dict().items()
    }
    model.load_state_dict(values)
    return model


def tapped(model: GhostNet, x: torch.Tensor) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
    """Logits, and the output of every stage (the stem's convolution under -1)."""
    outputs: dict[int, torch.Tensor] = {}
    last, hooks = -1, []

    def remember(stage):
        return lambda _module, _inputs, output: outputs.__setitem__(stage, output.clone())

    hooks.append(model.conv_stem.register_forward_hook(remember(-1)))
    for stage, rows in enumerate(STAGES):
        last += len(rows)
        hooks.append(model.blocks[last].register_forward_hook(remember(stage)))
    with torch.no_grad():
        logits = model(x)
    for hook in hooks:
        hook.remove()
    return logits, outputs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=FIXTURES, help="the folder to write to (default: the tests')")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, exact, kept = filled(), filled().double(), {}
    for height, width in SIZES:
        size, x = f"{height}x{width}", picture(BATCH, height, width)
        logits, stages = tapped(model, x)
        exact_logits, exact_stages = tapped(exact, x.double())
        entries = {f"logits/{size}": (logits, exact_logits)}
        for name, places in (("timm", (-1, *TIMM_TAPS)), ("stage-ends", STAGE_ENDS)):
            for level, stage in enumerate(places, start=1):
                entries[f"{name}/{size}/c{level}"] = (stages[stage], exact_stages[stage])
        for key, (values, reference) in entries.items():
            check_magnitude(key, values)
            check_precision(key, values, reference)
            keep(kept, key, values, None if key.startswith("logits") else SAMPLES)
    save(
        args.output / f"{ARCHITECTURE.name}.safetensors", kept, "python scripts/make_mindspore_fixture.py",
        version="v2", width=ARCHITECTURE.hundredths / 100, classes=CLASSES, batch=BATCH,
    )


if __name__ == "__main__":
    main()
