"""How two computations of the same thing are compared."""

import numpy as np

from proofs.programs import Failed

# Outputs that differ less among themselves would fit any weights.
LEAST = 0.02


def share(found: np.ndarray, expected: np.ndarray, rtol: float, atol: float) -> float:
    """The largest difference as a share of what is allowed, as NumPy's `allclose` has it."""
    allowed = atol + rtol * np.abs(expected.astype(np.float64))
    return float((np.abs(found.astype(np.float64) - expected) / allowed).max())


def compared(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], rtol: float, atol: float) -> str:
    """A line that says how close all outputs are; raises where one is not, or where they say little."""
    if found.keys() != expected.keys():
        raise Failed(f"outputs {', '.join(sorted(found))} for {', '.join(sorted(expected))}")
    worst, values = 0.0, 0
    for name, wanted in expected.items():
        if found[name].shape != wanted.shape:
            raise Failed(f"{name} is {list(found[name].shape)}: expected {list(wanted.shape)}")
        if not wanted.std() >= LEAST:
            raise Failed(f"{name} has a standard deviation of {wanted.std():.2g}, which would show little")
        used = share(found[name], wanted, rtol, atol)
        if not used <= 1:
            raise Failed(f"{name} is off by {used:.3g} times what is allowed (rtol {rtol}, atol {atol})")
        worst, values = max(worst, used), values + wanted.size
    return f"{len(expected)} outputs, {values:,} values, off by {100 * worst:.2g} % of what is allowed at most"
