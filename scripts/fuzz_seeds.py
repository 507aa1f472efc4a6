#!/usr/bin/env python3
"""What the fuzz targets begin with: `fuzz/corpus/TARGET/`, from the fixtures of the tests and a few made up here.

Output: one file for each input, in the form that its target in fuzz/fuzz_targets/ reads. Nothing but Python is needed.

Command: python scripts/fuzz_seeds.py
"""

import hashlib
import json
import struct
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "fuzz" / "corpus"
PICTURES = ROOT / "ghostnetv2" / "tests" / "fixtures" / "pictures"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def seed(target: str, data: bytes) -> None:
    """Writes an input, named after itself as libFuzzer does."""
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def safetensors(tensors: dict[str, tuple[str, list[int], bytes]]) -> bytes:
    """A file of tensors: type, shape, bytes."""
    header, body = {}, b""
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def weights() -> None:
    """Files of few tensors, with configurations."""
    configs = [
        b"",
        b'{"architecture": "ghostnetv2_100", "num_classes": 2, "model_args": {"width": 0.05}}',
        b'{"architecture": "ghostnet_050", "label_names": ["a", "b"], "pretrained_cfg": {"input_size": [3, 64, 64]}}',
    ]
    numbers = struct.pack("<4f", 0.5, -1.0, 2.0, 0.0)
    files = [
        safetensors({}),
        safetensors({"conv_stem.weight": ("F32", [4, 1, 1, 1], numbers), "bn1.weight": ("F16", [2], b"\0<\0<")}),
        safetensors({"classifier.weight": ("F32", [2, 2], numbers), "bn1.running_var": ("F64", [1], bytes(8))}),
        safetensors({"head.classification_head.cls_logits.weight": ("BF16", [1, 2], bytes(4))}),
        b"PK\x03\x04",
    ]
    for config in configs:
        for file in files:
            seed("weights", struct.pack("<H", len(config)) + config + file)


def coco() -> None:
    """The fixture of the tests, and a picture with a box, found and not found."""
    fixture = ROOT / "heads" / "tests" / "fixtures" / "coco"
    seed("coco", b"\0".join((fixture / name).read_bytes() for name in ("truth.json", "results.json")))
    truth = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 40, "height": 30}],
        "categories": [{"id": 18, "name": "dog"}, {"id": 90, "name": "toothbrush"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 18, "bbox": [1, 2, 10, 20], "area": 150.5, "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 90, "bbox": [5, 5, 9.5, 3], "iscrowd": 1},
        ],
    }
    found = [{"image_id": 1, "category_id": 18, "bbox": [1, 2, 10, 19], "score": 0.9},
             {"image_id": 1, "category_id": 90, "bbox": [0, 0, 3, 3], "score": 0.5}]
    for results in (found, []):
        seed("coco", json.dumps(truth).encode() + b"\0" + json.dumps(results).encode())


def hub() -> None:
    """Answers of a hub, the last of which comes first."""
    body = b"contents of a file"
    described = (f"HTTP/1.1 200 OK\r\nConnection: close\r\nX-Repo-Commit: {COMMIT}\r\n"
                 f"X-Linked-Etag: \"{hashlib.sha256(body).hexdigest()}\"\r\nX-Linked-Size: {len(body)}\r\n"
                 f"Content-Length: {len(body)}\r\n\r\n").encode()
    away = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    rest = described.replace(b"200 OK", b"206 Partial").replace(b"\r\n\r\n", b"\r\nContent-Range: bytes 5-17/18\r\n\r\n")
    for answers in (
        [described + body, described], [described + body, described, away], [rest + body[5:], described + body[:5], described],
        [b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"], [b"HTTP/1.1 429 Slow\r\nRetry-After: 0\r\n\r\n"] * 2,
        [b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"], [b""],
    ):
        seed("hub", b"\xff".join(answers))


def main() -> None:
    for path in sorted(PICTURES.iterdir()):
        if path.suffix != ".json" and path.stat().st_size < 16_384:
            data = path.read_bytes()
            for flags in (b"\0", b"\1"):
                seed("picture", flags + data)
            if path.suffix == ".png":
                seed("label_map", b"\0" + data)
    weights()
    coco()
    hub()
    seed("plan", bytes(range(64)))
    for folder in sorted(CORPUS.iterdir()):
        print(f"{folder.name}: {len(list(folder.iterdir()))} inputs")


if __name__ == "__main__":
    main()
