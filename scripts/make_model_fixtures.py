#!/usr/bin/env python3
"""Logits and feature pyramids of all ten GhostNets as timm computes them, for the Rust tests.

Every network is filled by formula (formula.py), so that no weight file is needed, and runs in eval mode in f32.

Written to the output folder:
  NAME.safetensors     one file for each of the ten registered variants at 224x224, 256x320 and 97x161 (height x width),
                       batch 1, 1000 classes; and ghostnetv2_075.safetensors: width 0.75, 10 classes, 33x47, batch 2.
                       The keys, HxW being the size and K being 1 to 5:
                         logits/HxW           the whole [batch, classes]
                         timm/HxW/cK          256 samples: level K of timm's features_only=True; c1 is the stem's
                                              convolution before its batch norm
                         stage-ends/HxW/cK    256 samples: outputs of blocks.0, blocks.2, blocks.4, blocks.6, blocks.8
  formula.safetensors  whole tensors made by formula.py, one per rule, so that a twin can be checked by itself
  keys.txt             one line per network and form: NAME FORM COUNT SHA256. FORM is `training` or `fused` (V3 after
                       timm's re-parameterisation); COUNT is the number of tensors without num_batches_tracked; SHA256
                       is that of the lines `NAME [D0, D1, ...]`, each ended by one newline, sorted by name as bytes

V3 is also run after timm's re-parameterisation, and has to agree with itself before; only one of the two is kept.
fixture_models.py tells how a tensor is stored.

Command: python scripts/make_model_fixtures.py        (under a minute; versions in requirements.txt)
"""

import argparse
import hashlib
from pathlib import Path

import torch
from timm.models import reparameterize_model

import formula
from fixture_models import FIXTURES, VARIANTS, Network, check_magnitude, check_precision, keep, picture, save

SIZES = ((224, 224), (256, 320), (97, 161))
NARROW = Network("ghostnetv2_075", "v2", 0.75, classes=10)
NARROW_SIZES = ((33, 47),)
SAMPLES = 256
STAGE_ENDS = (0, 2, 4, 6, 8)
COMMAND = "python scripts/make_model_fixtures.py"

# One tensor for each rule of formula.py, and one for each gain.
FORMULA_TENSORS = {
    "conv_stem.weight": (16, 3, 3, 3),
    "bn1.weight": (16,),
    "bn1.bias": (16,),
    "bn1.running_mean": (16,),
    "bn1.running_var": (16,),
    "blocks.0.0.ghost1.primary_conv.0.weight": (8, 16, 1, 1),
    "blocks.0.0.ghost2.primary_conv.0.weight": (8, 16, 1, 1),
    "blocks.0.0.ghost2.primary_rpr_conv.0.conv.weight": (8, 16, 1, 1),
    "blocks.2.0.ghost1.short_conv.2.weight": (72, 1, 1, 5),
    "blocks.3.0.se.conv_reduce.bias": (20,),
}


def tapped(model: torch.nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
    """Logits, and the output of every stage (the stem's convolution under -1)."""
    outputs: dict[int, torch.Tensor] = {}

    def remember(index):
        # Cloned, because activations and residual additions in timm work in place.
        return lambda _module, _inputs, output: outputs.__setitem__(index, output.clone())

    hooks = [model.conv_stem.register_forward_hook(remember(-1))]
    hooks += [stage.register_forward_hook(remember(index)) for index, stage in enumerate(model.blocks)]
    with torch.no_grad():
        logits = model(x)
    for hook in hooks:
        hook.remove()
    return logits, outputs


def run(network: Network, batch: int, sizes: tuple[tuple[int, int], ...], folder: Path) -> None:
    """Makes the fixture file of one network."""
    model, features = network.filled(), network.filled(features_only=True)
    exact = network.filled().double()
    fused = reparameterize_model(network.filled()) if network.version == "v3" else None
    kept = {}
    for height, width in sizes:
        size = f"{height}x{width}"
        x = picture(batch, height, width)
        logits, stages = tapped(model, x)
        exact_logits, exact_stages = tapped(exact, x.double())
        with torch.no_grad():
            timm_levels = features(x)
        entries = {f"logits/{size}": (logits, exact_logits)}
        for level, (values, index) in enumerate(zip(timm_levels, (-1, 1, 3, 5, 7), strict=True), start=1):
            assert torch.equal(values, stages[index]), f"timm's c{level} is no longer the output of stage {index}"
            entries[f"timm/{size}/c{level}"] = (values, exact_stages[index])
        for level, index in enumerate(STAGE_ENDS, start=1):
            entries[f"stage-ends/{size}/c{level}"] = (stages[index], exact_stages[index])
        for key, (values, reference) in entries.items():
            check_magnitude(f"{network.name} {key}", values)
            check_precision(f"{network.name} {key}", values, reference)
            keep(kept, key, values, None if key.startswith("logits") else SAMPLES)
        if fused is not None:
            fused_logits, fused_stages = tapped(fused, x)
            for found, expected in [(fused_logits, logits)] + [(fused_stages[i], stages[i]) for i in stages]:
                torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    save(
        folder / f"{network.name}.safetensors", kept, COMMAND,
        version=network.version, width=network.width, classes=network.classes, batch=batch,
    )


def key_line(network: Network, form: str, model: torch.nn.Module) -> str:
    """The line of keys.txt for a model."""
    shapes = {
        name: list(value.shape)
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    text = "".join(f"{name} {shape}\n" for name, shape in sorted(shapes.items(), key=lambda item: item[0].encode()))
    return f"{network.name} {form} {len(shapes)} {hashlib.sha256(text.encode()).hexdigest()}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=FIXTURES, help="the folder to write to (default: the tests')")
    args = parser.parse_args()
    torch.set_num_threads(1)  # sums depend on the number of threads: one machine writes the same bytes every time

    for network in VARIANTS:
        run(network, 1, SIZES, args.output)
    run(NARROW, 2, NARROW_SIZES, args.output)

    kept = {name: formula.tensor(name, shape) for name, shape in FORMULA_TENSORS.items()}
    kept["input"] = formula.uniform("input", (2, 3, 5, 7))
    save(args.output / "formula.safetensors", kept, COMMAND)

    lines = []
    for network in (*VARIANTS, NARROW):
        model = network.create()
        lines.append(key_line(network, "training", model))
        if network.version == "v3":
            lines.append(key_line(network, "fused", reparameterize_model(model)))
    (args.output / "keys.txt").write_text("".join(lines), encoding="utf-8")
    print(f"keys.txt: {len(lines)} lines")


if __name__ == "__main__":
    main()
