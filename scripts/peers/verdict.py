"""Who is right, and how ours compares with the fastest of them."""

import math

LARGEST_ERROR = {"f32": 1e-4}
LARGEST_ERROR_OTHERWISE = 0.1
"""The largest error of a right output as a part of the range of the logits: in f32, and in less."""
DEFAULT = "openvino-default"
"""The peer that is compared with on its own: its precision is the processor's choice."""


def checked(precision: str, error: float) -> dict[str, float | bool]:
    """The error, and whether it is small enough. NaN and infinity, which JSON lacks, count as wrong altogether."""
    error = error if math.isfinite(error) else 1.0
    return {"error": error, "right": error <= LARGEST_ERROR.get(precision, LARGEST_ERROR_OTHERWISE)}


def is_ours(entry: dict) -> bool:
    return entry["name"].startswith("ours")


def compare(entries: list[dict], measure: str) -> None:
    """Gives each of ours its ratios: to the fastest right peer of its precision, and to OpenVINO's default."""
    present = [entry for entry in entries if measure in entry]
    peers = {entry["name"]: entry for entry in present if not is_ours(entry) and entry["right"]}
    default = peers.pop(DEFAULT, None)
    for entry in present:
        # A wrong output has no speed; one that could not be checked is marked in the table.
        if not is_ours(entry) or (entry.get("error") is not None and not entry["right"]):
            continue
        alike = [peer for peer in peers.values() if peer["precision"] == entry["precision"]]
        if fastest := min(alike, key=lambda peer: peer[measure], default=None):
            entry |= {"ratio": entry[measure] / fastest[measure], "fastest_peer": fastest["name"]}
        if default:
            entry["ratio_to_openvino_default"] = entry[measure] / default[measure]
