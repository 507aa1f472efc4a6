"""Expected results of Pillow's resize and of timm's evaluation transform."""

from itertools import product

import numpy as np
from PIL import Image
from timm.data import create_transform, resolve_data_config

from .synthetic import digest, picture

FILTERS = ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]

# Source and target sizes: tiny, odd, up, down, both, and both orders of the passes.
RESIZES = [
    ((1, 1), (1, 1)), ((1, 1), (7, 5)), ((1, 7), (3, 3)), ((7, 1), (3, 3)), ((2, 2), (5, 9)),
    ((3, 5), (3, 5)), ((3, 5), (3, 9)), ((3, 5), (8, 5)), ((13, 8), (5, 3)), ((17, 31), (8, 9)),
    ((31, 17), (40, 6)), ((12, 16), (21, 8)), ((18, 4), (4, 9)), ((64, 64), (224, 224)),
    ((97, 61), (33, 40)), ((227, 227), (256, 256)), ((375, 500), (224, 299)),
    ((500, 375), (341, 256)), ((375, 1000), (256, 682)),
]  # fmt: skip
LARGE_RESIZES = [((3000, 2000), (384, 256)), ((600, 4000), (256, 1706))]

SOURCES = [
    (1, 1), (1, 7), (7, 1), (5, 3), (64, 64), (100, 50), (333, 500), (500, 375), (375, 1000),
    (801, 200), (3000, 2000), (600, 4000),
]  # fmt: skip
INPUTS = [(224, 224), (64, 64), (256, 320), (97, 161)]
CROP_MODES = ["center", "squash", "border"]
CROP_SHARES = [0.875, 0.95, 1.0]

# Cases that the grid above does not reach.
SPECIAL = [
    ((120, 90), {"input_size": [3, 64, 64], "crop_pct": 1.5}),
    ((120, 90), {"input_size": [3, 64, 65], "crop_pct": 1.3, "crop_mode": "squash"}),
    ((90, 121), {"input_size": [3, 33, 70], "crop_pct": 0.5, "crop_mode": "border"}),
    ((90, 120), {"input_size": [3, 64, 64], "crop_mode": "border",
                 "mean": [0.5, 0.1, 0.9], "std": [0.25, 0.5, 1.5]}),
    ((500, 375), {}),
]  # fmt: skip


def make() -> list:
    resizes = [
        resize_case(kind, source, target, name)
        for (source, target), name in product(RESIZES, FILTERS)
        for kind in (["noise"] if name in ("box", "hamming") else ["noise", "smooth"])
    ]
    resizes += [
        resize_case("noise", source, target, name)
        for (source, target), name in product(LARGE_RESIZES, ["bilinear", "bicubic", "lanczos"])
    ]
    grid = list(product(SOURCES, INPUTS, CROP_MODES))
    configs = [
        (source, {
            "input_size": [3, *size],
            "crop_pct": CROP_SHARES[number % len(CROP_SHARES)],
            "crop_mode": mode,
            "interpolation": FILTERS[number * 5 % len(FILTERS)],
        })
        for number, (source, size, mode) in enumerate(grid)
    ]  # fmt: skip
    transforms = [
        transform_case(("noise", "smooth")[number % 2], source, config)
        for number, (source, config) in enumerate(configs + SPECIAL)
    ]
    return resizes + [case for case in transforms if case]


def resize_case(kind: str, source: tuple, target: tuple, name: str) -> dict:
    image = Image.fromarray(picture(kind, *source))
    resized = image.resize(target, getattr(Image.Resampling, name.upper()))
    case = {"resize": kind, "source": source, "target": target, "filter": name}
    return case | digest(resized.tobytes())


def transform_case(kind: str, source: tuple, config: dict) -> dict | None:
    """One case, or None where timm gives up because a side would have no pixels."""
    resolved = resolve_data_config({}, pretrained_cfg=config or {"input_size": (3, 224, 224)})
    image = Image.fromarray(picture(kind, *source))
    try:
        cropped = create_transform(**resolved, is_training=False, normalize=False)(image)
    except ValueError as error:
        assert "must be > 0" in str(error), error
        return None
    tensor = create_transform(**resolved, is_training=False)(image)
    pixels = np.ascontiguousarray(cropped.numpy().transpose(1, 2, 0)).tobytes()
    return {
        "transform": kind,
        "source": source,
        "config": config,
        "pixels": digest(pixels),
        "tensor": digest(tensor.numpy().astype("<f4").tobytes()),
    }
