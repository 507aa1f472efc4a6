"""Pictures that follow a formula; `tests/preprocess/synthetic.rs` has the same one."""

import hashlib

import numpy as np

SAMPLES = 16


def words(seed: int, count: int) -> np.ndarray:
    """The first numbers of splitmix64."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(
            0x9E3779B97F4A7C15
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def noise(width: int, height: int, channels: int = 3, seed: int = 1) -> np.ndarray:
    """Bytes of splitmix64, low bytes first."""
    count = width * height * channels
    data = words(seed, -(-count // 8)).astype("<u8").tobytes()[:count]
    return np.frombuffer(data, np.uint8).reshape(height, width, channels)


def smooth(width: int, height: int) -> np.ndarray:
    """Slopes of three directions that bounce between black and full colour."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    planes = []
    for channel in range(3):
        level = x * (7 + 5 * channel) * 64 // width + y * (11 - 3 * channel) * 64 // height
        level = (level + 40 * channel) % 512
        planes.append(np.where(level < 256, level, 511 - level))
    return np.stack(planes, -1).astype(np.uint8)


def picture(kind: str, width: int, height: int) -> np.ndarray:
    return {"noise": noise, "smooth": smooth}[kind](width, height)


def digest(data: bytes) -> dict:
    """What a fixture keeps of some bytes: their hash, and a few of them for the eye."""
    step = max(len(data) // SAMPLES, 1)
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "samples": data[::step][:SAMPLES].hex(),
    }
