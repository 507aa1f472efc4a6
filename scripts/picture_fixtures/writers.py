"""Writers for files that Pillow cannot write: small, plain, and the same on every machine."""

import struct
import zlib

from .synthetic import words


def png(width, height, depth, colour, rows, palette=None, interlaced=False) -> bytes:
    """A PNG of raw rows, stored without compression."""

    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    chunks = [chunk(b"IHDR", header)]
    if palette:
        chunks.append(chunk(b"PLTE", bytes(palette)))
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 0)
    chunks += [chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def gif(screen, frame, indices, palette, transparent=None) -> bytes:
    """A GIF of one frame (left, top, width, height), with codes that say each pixel by itself."""
    bits = (len(palette) // 3 - 1).bit_length()
    out = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80 | (bits - 1), 0, 0)
    out += bytes(palette)
    if transparent is not None:
        out += struct.pack("<BBBBHBB", 0x21, 0xF9, 4, 1, 0, transparent, 0)
    out += b"," + struct.pack("<HHHHB", *frame, 0)
    # Codes have 9 bits while the decoder's table is short, so it is cleared often.
    clear, end = 256, 257
    codes = []
    for number, index in enumerate(indices):
        if number % 200 == 0:
            codes.append(clear)
        codes.append(index)
    codes.append(end)
    value = sum(code << (9 * number) for number, code in enumerate(codes))
    data = value.to_bytes(-(-9 * len(codes) // 8), "little")
    out += b"\x08"
    for start in range(0, len(data), 255):
        block = data[start : start + 255]
        out += bytes([len(block)]) + block
    return out + b"\0;"


ZIGZAG_USED = 6
QUANTISATION = 10


def jpeg(width, height, sampling, scans=None, restart=0, adobe=None, tables=None, junk=b"") -> bytes:
    """A baseline JPEG whose coefficients come from splitmix64.

    `sampling` has the factors of every component, `scans` the components of every scan, `tables`
    the Huffman tables as (class and number, counts, symbols); `junk` goes between two segments.
    """
    writer = JpegWriter(width, height, sampling, tables)
    return writer.write(scans or [list(range(len(sampling)))], restart, adobe, junk)


class JpegWriter:
    def __init__(self, width, height, sampling, tables):
        self.width, self.height, self.sampling, self.tables = width, height, sampling, tables
        self.max_h = max(h for h, _ in sampling)
        self.max_v = max(v for _, v in sampling)
        self.units = (-(-width // (8 * self.max_h)), -(-height // (8 * self.max_v)))
        self.random = iter(words(7, 100_000).tolist())
        self.coefficients = {}
        self.codes = {}
        for kind, counts, symbols in tables:
            code, remaining = 0, iter(symbols)
            for length, count in enumerate(counts, 1):
                for _ in range(count):
                    self.codes[kind, next(remaining)] = (code, length)
                    code += 1
                code <<= 1

    def block(self, component, x, y):
        """A DC coefficient and some AC coefficients, always the same for a position."""
        if (component, x, y) not in self.coefficients:
            values = [next(self.random) for _ in range(ZIGZAG_USED)]
            ac = [0 if value % 3 else value // 3 % 15 - 7 for value in values[1:]]
            self.coefficients[component, x, y] = [values[0] % 81 - 40, *ac]
        return self.coefficients[component, x, y]

    def write(self, scans, restart, adobe, junk) -> bytes:
        def segment(marker, data):
            return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data

        out = b"\xff\xd8"
        if adobe is not None:
            out += segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, adobe))
        out += segment(0xDB, bytes([0] + [QUANTISATION] * 64)) + junk
        frame = struct.pack(">BHHB", 8, self.height, self.width, len(self.sampling))
        for number, (h, v) in enumerate(self.sampling, 1):
            frame += bytes([number, h << 4 | v, 0])
        out += segment(0xC0, frame)
        if self.tables.announced:
            for kind, counts, symbols in self.tables:
                out += segment(0xC4, bytes([kind, *counts, *symbols]))
        if restart:
            out += segment(0xDD, struct.pack(">H", restart))
        for scan in scans:
            header = bytes([len(scan)])
            for component in scan:
                header += bytes([component + 1, 0])
            out += segment(0xDA, header + bytes([0, 63, 0])) + self.scan(scan, restart)
        return out + b"\xff\xd9"

    def scan(self, scan, restart) -> bytes:
        out, bits, predictions = b"", [], [0] * len(self.sampling)
        for number, unit in enumerate(self.scan_units(scan)):
            if restart and number and number % restart == 0:
                out += packed(bits) + bytes([0xFF, 0xD0 + (number // restart - 1) % 8])
                bits, predictions = [], [0] * len(self.sampling)
            for component, x, y in unit:
                block = self.block(component, x, y)
                self.encode(bits, block, predictions[component])
                predictions[component] = block[0]
        return out + packed(bits)

    def scan_units(self, scan):
        if len(scan) == 1:
            (component,) = scan
            h, v = self.sampling[component]
            columns = -(-self.width * h // (8 * self.max_h))
            rows = -(-self.height * v // (8 * self.max_v))
            yield from ([(component, x, y)] for y in range(rows) for x in range(columns))
            return
        for row in range(self.units[1]):
            for column in range(self.units[0]):
                yield [
                    (component, column * h + x, row * v + y)
                    for component in scan
                    for h, v in [self.sampling[component]]
                    for y in range(v)
                    for x in range(h)
                ]

    def encode(self, bits, block, prediction):
        def put(kind, run, value):
            size = abs(value).bit_length()
            bits.append(self.codes[kind, run << 4 | size])
            bits.append((value if value >= 0 else value + (1 << size) - 1, size))

        put(0, 0, block[0] - prediction)
        run = 0
        for value in block[1:]:
            if value:
                put(0x10, run, value)
                run = -1
            run += 1
        bits.append(self.codes[0x10, 0])


class StandardTables(list):
    """The Huffman tables that Pillow writes, which are those of the standard."""

    def __init__(self, jpeg_file: bytes, announced=True):
        self.announced = announced
        position = 2
        while jpeg_file[position + 1] != 0xDA:
            length = int.from_bytes(jpeg_file[position + 2 : position + 4], "big")
            if jpeg_file[position + 1] == 0xC4:
                data = jpeg_file[position + 4 : position + 2 + length]
                while data:
                    count = sum(data[1:17])
                    self.append((data[0], data[1:17], data[17 : 17 + count]))
                    data = data[17 + count :]
            position += 2 + length
        self[:] = [table for table in self if table[0] in (0, 0x10)]


def packed(bits) -> bytes:
    """Codes as bytes, filled up with ones, with a zero behind every 0xff."""
    value, length = 0, 0
    for code, size in bits:
        value, length = value << size | code, length + size
    fill = -length % 8
    value = value << fill | (1 << fill) - 1
    return value.to_bytes((length + fill) // 8, "big").replace(b"\xff", b"\xff\0")
