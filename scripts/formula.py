#!/usr/bin/env python3
"""Weights by formula: every tensor of a network from its name and its indices alone.

Whole-network fixtures need no weight files this way: Python fills a timm model, Rust fills its own, and both get the
same bits. This text is the contract; a twin in another language follows it to the bit.

All 64-bit arithmetic wraps (mod 2^64). All f32 and f64 arithmetic is IEEE 754, round to nearest even, one rounding per
operation written here, never fused (no FMA), evaluated in the order written.

  fnv1a64(s)     h = 0xCBF29CE484222325; for each byte b of s in UTF-8: h = (h XOR b) * 0x00000100000001B3
  splitmix64(x)  z = x + 0x9E3779B97F4A7C15
                 z = (z XOR (z >> 30)) * 0xBF58476D1CE4E5B9
                 z = (z XOR (z >> 27)) * 0x94D049BB133111EB
                 return z XOR (z >> 31)
  u(s, i)        h = splitmix64(fnv1a64(s) + i) >> 40          a whole number below 2^24
                 return f32(h) * 2^-23 - 1                      in [-1, 1); every step is exact in f32

A tensor `name` of a given shape is filled over its row-major flat index i = 0, 1, ... The name is the one in timm's
state_dict, training branches included. `last` is what follows the last dot of the name; `0.1` means the f32 nearest to
0.1. The first rule that fits holds:

  1. last == "num_batches_tracked"            0
  2. last == "running_mean"                   0.1 * u
  3. last == "running_var"                    1 + 0.5 * u
  4. last == "bias"                           0.1 * u
  5. rank 1 (a batch norm's weight)           1 + 0.25 * u
  6. everything else (convolution, linear)    u * scale
       scale = f32(sqrt(3 * gain / fan_in)), computed in f64: 3 * gain, then / fan_in, then sqrt, then rounded to f32
       fan_in = product of shape[1:]
       gain = 0.25 if the name contains "_rpr_", else 0.5 if it contains "ghost2", else 1

A tensor that is not a network's (the input picture, the weights of a loss) has no rule: its values are u(name, i).

Sampling: a fixture keeps few values of a large tensor. Sample j of a tensor with n values, kept under the fixture name
`key`, is the value at flat index splitmix64(fnv1a64(key) + j) % n (unsigned remainder; an index may come twice).

Run as a script, it prints check values for whoever writes a twin.
"""

import argparse
import math

import numpy as np

FNV_OFFSET = 0xCBF29CE484222325
FNV_PRIME = 0x00000100000001B3
MASK = 0xFFFFFFFFFFFFFFFF

# (part of the name, gain). A layer's output has about `gain` times the mean square of its input: these keep every level
# of all ten variants near 1 through the depth. V3's re-parameterised branches are summed, so that each takes a quarter;
# the second ghost module of a bottleneck is added to the shortcut, so that it takes half.
GAINS = (
    ("_rpr_", 0.25),
    ("ghost2", 0.5),
    ("", 1.0),
)


def fnv1a64(text: str) -> int:
    """The 64-bit FNV-1a hash of a string's UTF-8 bytes."""
    value = FNV_OFFSET
    for byte in text.encode("utf-8"):
        value = ((value ^ byte) * FNV_PRIME) & MASK
    return value


def splitmix64(x: np.ndarray) -> np.ndarray:
    """The standard splitmix64 step (increment, then finaliser) of every element of a uint64 array."""
    z = x + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def hashes(name: str, count: int) -> np.ndarray:
    """splitmix64(fnv1a64(name) + i) for i below count."""
    start = np.full(count, fnv1a64(name), dtype=np.uint64)
    return splitmix64(start + np.arange(count, dtype=np.uint64))


def uniform(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """u(name, i) over the flat index of the shape: f32 values in [-1, 1)."""
    top = (hashes(name, math.prod(shape)) >> np.uint64(40)).astype(np.float32)
    return (top * np.float32(2.0**-23) - np.float32(1)).reshape(shape)


def gain(name: str) -> float:
    """The gain of a convolution's or linear layer's weight."""
    return next(value for part, value in GAINS if part in name)


def tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The value of a network's tensor by the rules above."""
    last = name.rsplit(".", 1)[-1]
    if last == "num_batches_tracked":
        return np.zeros(shape, dtype=np.int64)
    values = uniform(name, shape)
    if last in ("running_mean", "bias"):
        return np.float32(0.1) * values
    if last == "running_var":
        return np.float32(1) + np.float32(0.5) * values
    if len(shape) == 1:
        return np.float32(1) + np.float32(0.25) * values
    fan_in = math.prod(shape[1:])
    return values * np.float32(math.sqrt(3.0 * gain(name) / fan_in))


def sample_indices(key: str, count: int, length: int) -> np.ndarray:
    """The flat indices of the samples that a fixture keeps of a tensor with `length` values."""
    return (hashes(key, count) % np.uint64(length)).astype(np.int64)


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    print(f"fnv1a64('')            = 0x{fnv1a64(''):016x}")
    print(f"fnv1a64('input')       = 0x{fnv1a64('input'):016x}")
    print(f"splitmix64(0)          = 0x{int(splitmix64(np.zeros(1, dtype=np.uint64))[0]):016x}")
    for name, shape in (
        ("input", (4,)),
        ("conv_stem.weight", (4, 3, 3, 3)),
        ("bn1.weight", (4,)),
        ("bn1.bias", (4,)),
        ("bn1.running_mean", (4,)),
        ("bn1.running_var", (4,)),
        ("blocks.0.0.ghost1.primary_rpr_conv.0.conv.weight", (8, 16, 1, 1)),
        ("classifier.weight", (4, 1280)),
    ):
        values = uniform(name, shape) if name == "input" else tensor(name, shape)
        bits = " ".join(f"{bit:08x}" for bit in values.reshape(-1)[:4].view(np.uint32))
        print(f"{name:50} f32 bits of values 0..4: {bits}")
    print(f"sample indices 'logits/97x161' of 1000: {sample_indices('logits/97x161', 4, 1000)}")


if __name__ == "__main__":
    main()
