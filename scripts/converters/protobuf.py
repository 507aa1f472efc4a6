"""MindSpore's `.ckpt`: a protobuf message of its `checkpoint.proto`, which this reads without MindSpore.

  message Checkpoint  { repeated Value value = 1; }
  message Value       { required string tag = 1; oneof { TensorProto tensor = 2; MapTensorProto maptensor = 3; } }
  message TensorProto { repeated int64 dims = 1; required string tensor_type = 2; required bytes tensor_content = 3; }

A field is a varint `number << 3 | type`; type 0 is a varint, 1 eight bytes, 2 a varint of the length and so many bytes,
5 four bytes. `dims` come one by one or packed into one field of bytes; `[0]` stands for a scalar. A tensor of more than
512 MB is several values of the same tag, one behind the other. `crc_check=True` appends `crc_num` and ten bytes,
big-endian: the CRC-32 of all before. An encrypted file is no message at all. """

import binascii
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from converters.refusal import Refused

TYPES = {
    "Float16": "<f2", "Float32": "<f4", "Float64": "<f8", "Int8": "<i1", "Int16": "<i2", "Int32": "<i4", "Int64": "<i8",
    "UInt8": "<u1", "UInt16": "<u2", "UInt32": "<u4", "UInt64": "<u8", "Bool": "?",
}
CHECKSUM = b"crc_num"
DIGITS = 10


class Malformed(Exception):
    """Bytes that are no message."""


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise Malformed("it ends within a number")
        byte, at = data[at], at + 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise Malformed("a number of more than ten bytes")


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
            yield key >> 3, value
            continue
        if kind == 2:
            length, at = varint(data, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise Malformed(f"a field of type {kind}")
        if length > len(data) - at:
            raise Malformed(f"it ends {length - (len(data) - at)} bytes too early")
        yield key >> 3, data[at : at + length]
        at += length


def text(value) -> str:
    try:
        return bytes(value).decode("utf-8")
    except (TypeError, UnicodeDecodeError) as error:
        raise Malformed(f"expected a text: {error}") from None


def tensor(data: memoryview) -> tuple[list[int], str, memoryview]:
    """Shape, type and bytes of a TensorProto."""
    dims, kind, content = [], None, memoryview(b"")
    for number, value in fields(data):
        if number == 1 and isinstance(value, int):
            dims.append(value)
        elif number == 1:
            at = 0
            while at < len(value):
                size, at = varint(value, at)
                dims.append(size)
        elif number == 2:
            kind = text(value)
        elif number == 3:
            content = value
    if kind is None:
        raise Malformed("a tensor without a type")
    return ([] if dims == [0] else dims), kind, content


def value(data: memoryview) -> tuple[str, tuple[list[int], str, memoryview] | None]:
    """Tag of a Value and its tensor, None for a map of tensors."""
    tag, found = None, None
    for number, field in fields(data):
        if number == 1:
            tag = text(field)
        elif number == 2:
            if isinstance(field, int):
                raise Malformed("a number for a tensor")
            found = tensor(field)
    if tag is None:
        raise Malformed("a value without a tag")
    return tag, found


def is_checkpoint(path: Path) -> bool:
    """Whether a file begins as a message with a tensor of floating-point numbers does."""
    with path.open("rb") as file:
        start = file.read(512)
    return start.startswith(b"\x0a") and any(kind.encode() in start for kind in TYPES if kind.startswith("Float"))


def body(path: Path, data: bytes) -> bytes:
    """The message without its checksum, which is compared."""
    end = len(data) - DIGITS
    if end < len(CHECKSUM) or data[end - len(CHECKSUM) : end] != CHECKSUM:
        return data
    message = data[: end - len(CHECKSUM)]
    if binascii.crc32(message) != int.from_bytes(data[end:], "big"):
        raise Refused(f"{path}: its checksum differs: damaged: fetch it again")
    return message


def read(path: Path) -> dict[str, np.ndarray]:
    """All tensors of a checkpoint by tag, but texts and maps."""
    try:
        data = body(path, path.read_bytes())
    except OSError as error:
        raise Refused(f"{path}: {error.strerror or error}") from None
    parts: dict[str, tuple[list[int], str, list[memoryview]]] = {}
    try:
        for number, field in fields(memoryview(data)):
            if number != 1 or isinstance(field, int):
                raise Malformed(f"field {number}")
            tag, found = value(field)
            if found is None or found[1] == "str":
                continue
            dims, kind, content = found
            known = parts.setdefault(tag, (dims, kind, []))
            if known[:2] != (dims, kind):
                raise Malformed(f"{tag} is there twice, of {known[1]} {known[0]} and of {kind} {dims}")
            known[2].append(content)
        arrays = {tag: array(tag, *found) for tag, found in parts.items()}
    except Malformed as error:
        raise Refused(f"{path}: no MindSpore checkpoint, or damaged or encrypted: {error}") from None
    if not arrays:
        raise Refused(f"{path}: no MindSpore checkpoint: no tensor in it")
    return arrays


def array(tag: str, dims: list[int], kind: str, parts: list[memoryview]) -> np.ndarray:
    content = b"".join(parts)
    if kind not in TYPES:
        raise Malformed(f"{tag} is of {kind}: expected one of {', '.join(TYPES)}")
    dtype = np.dtype(TYPES[kind])
    if math.prod(dims) * dtype.itemsize != len(content):
        raise Malformed(f"{tag} has {len(content)} bytes for {kind} {dims}")
    return np.frombuffer(content, dtype).reshape(dims)
