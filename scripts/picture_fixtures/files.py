"""Small picture files, and what Pillow makes of them."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps

from . import writers
from .hostile import scaled
from .synthetic import digest, noise, smooth


def make(folder: Path) -> list:
    made = jpegs() | pngs() | gifs() | webps() | bitmaps() | tiffs() | oriented()
    for old in folder.iterdir():
        if old.suffix != ".json":
            old.unlink()
    cases = []
    for name, data in sorted(made.items()):
        (folder / name).write_bytes(data)
        cases.append({"file": name} | expected(data))
    return cases


def expected(data: bytes) -> dict:
    """Pillow's pixels: as stored, upright where that differs, and of half a JPEG scan."""
    with Image.open(io.BytesIO(data)) as image:
        case = described(scaled(image).convert("RGB"))
        upright = described(ImageOps.exif_transpose(scaled(image)).convert("RGB"))
        is_jpeg = image.format == "JPEG" and "progressive" not in image.info
    if upright != case:
        case["upright"] = upright
    scan = data.find(b"\xff\xda")
    if is_jpeg and data.count(b"\xff\xda") == 1:
        middle = (scan + 14 + len(data)) // 2
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        with Image.open(io.BytesIO(data[:middle])) as image:
            case["cut"] = {"at": middle} | described(image.convert("RGB"))
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    return case


def described(image: Image.Image) -> dict:
    return {"width": image.width, "height": image.height} | digest(image.tobytes())


def saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def rgb(width: int, height: int, kind=smooth) -> Image.Image:
    return Image.fromarray(kind(width, height))


def rgba(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.dstack([smooth(width, height), noise(width, height, 1)]))


def jpegs() -> dict:
    photo, odd, tiny = rgb(96, 64), rgb(45, 37), rgb(3, 2)
    tables = writers.StandardTables(saved(photo, "JPEG"))
    unannounced = writers.StandardTables(saved(photo, "JPEG"), announced=False)
    colour = [(2, 2), (1, 1), (1, 1)]
    files = {
        "444": saved(photo, "JPEG", subsampling=0, quality=90),
        "422": saved(photo, "JPEG", subsampling=1, quality=90),
        "420": saved(photo, "JPEG", subsampling=2, quality=90),
        "420-odd": saved(odd, "JPEG", subsampling=2, quality=85),
        "422-odd": saved(odd, "JPEG", subsampling=1, quality=85),
        "420-noise": saved(rgb(40, 40, noise), "JPEG", subsampling=2, quality=60),
        "420-tiny": saved(tiny, "JPEG", subsampling=2),
        "422-tiny": saved(tiny, "JPEG", subsampling=1),
        "one-pixel": saved(rgb(1, 1), "JPEG"),
        "gray": saved(odd.convert("L"), "JPEG"),
        "cmyk": saved(odd.convert("CMYK"), "JPEG"),
        "rgb": saved(odd, "JPEG", keep_rgb=True),
        "progressive": saved(odd, "JPEG", progressive=True, quality=92),
        "progressive-444": saved(photo, "JPEG", progressive=True, subsampling=0),
        "progressive-gray": saved(odd.convert("L"), "JPEG", progressive=True),
        "progressive-cmyk": saved(odd.convert("CMYK"), "JPEG", progressive=True),
        "restarts": saved(odd, "JPEG", restart_marker_blocks=2),
        "optimized": saved(odd, "JPEG", optimize=True, restart_marker_rows=1),
        "440": writers.jpeg(30, 21, [(1, 2), (1, 1), (1, 1)], tables=tables),
        "411": writers.jpeg(45, 19, [(4, 1), (1, 1), (1, 1)], tables=tables),
        "410": writers.jpeg(45, 19, [(4, 2), (1, 1), (1, 1)], tables=tables),
        "mixed-sampling": writers.jpeg(37, 35, [(2, 2), (2, 1), (1, 2)], tables=tables),
        "one-scan-each": writers.jpeg(37, 35, colour, [[0], [1], [2]], tables=tables),
        "two-scans": writers.jpeg(37, 35, colour, [[0], [1, 2]], 3, tables=tables),
        "missing-scan": writers.jpeg(37, 35, colour, [[0], [1]], tables=tables),
        "many-restarts": writers.jpeg(70, 35, colour, restart=1, tables=tables),
        "ycck": writers.jpeg(21, 17, [(2, 2), (1, 1), (1, 1), (2, 2)], adobe=2, tables=tables),
        "adobe-rgb": writers.jpeg(21, 17, [(1, 1)] * 3, adobe=0, tables=tables),
        "no-huffman-tables": writers.jpeg(21, 17, colour, tables=unannounced),
        "junk": writers.jpeg(21, 17, colour, junk=b"\0\xff\0 junk \xff\xff", tables=tables),
    }
    return {f"jpeg-{name}.jpg": data for name, data in files.items()}


def pngs() -> dict:
    image, alpha = rgb(29, 23), rgba(29, 23)
    palette = image.quantize(12)
    wide = noise(11, 7, 8, seed=3)
    rows = {channels: [row[:, : 2 * channels].tobytes() for row in wide] for channels in range(1, 5)}
    packed = [row.tobytes()[:6] for row in noise(6, 7, 1, seed=4)]
    first, second = rgba(20, 10), rgba(20, 10).rotate(180)
    files = {
        "rgb": saved(image, "PNG"),
        "rgba": saved(alpha, "PNG"),
        "gray": saved(image.convert("L"), "PNG"),
        "gray-alpha": saved(alpha.convert("LA"), "PNG"),
        "1-bit": saved(image.convert("1"), "PNG"),
        "palette": saved(palette, "PNG"),
        "palette-transparent": saved(palette, "PNG", transparency=3),
        "gray-transparent": saved(image.convert("L"), "PNG", transparency=9),
        "2-bit": writers.png(21, 7, 2, 0, packed),
        "4-bit": writers.png(11, 7, 4, 0, packed),
        "16-bit-gray": writers.png(11, 7, 16, 0, rows[1]),
        "16-bit-gray-alpha": writers.png(11, 7, 16, 4, rows[2]),
        "16-bit-rgb": writers.png(11, 7, 16, 2, rows[3]),
        "16-bit-rgba": writers.png(11, 7, 16, 6, rows[4]),
        "short-palette": writers.png(4, 1, 8, 3, [bytes([0, 1, 2, 200])], [9, 8, 7, 6, 5, 4]),
        # Of an interlaced picture of one column and two rows, two passes have a row.
        "interlaced": writers.png(1, 2, 8, 0, [b"\x50", b"\xa0"], interlaced=True),
        "animated": saved(first, "PNG", save_all=True, append_images=[second]),
    }
    return {f"png-{name}.png": data for name, data in files.items()}


def gifs() -> dict:
    image = rgb(29, 23)
    palette = [value for index in range(4) for value in (60 * index, 255 - 50 * index, 17)]
    inner = [index % 4 for index in range(20)]
    files = {
        "palette": saved(image, "GIF"),
        "gray": saved(image.convert("L"), "GIF"),
        "transparent": saved(image.quantize(8), "GIF", transparency=2),
        "interlaced": saved(image, "GIF", interlace=1),
        "animated": saved(image, "GIF", save_all=True, append_images=[image.rotate(180)]),
        "inner-frame": writers.gif((12, 10), (3, 2, 5, 4), inner, palette),
        "inner-frame-transparent": writers.gif((12, 10), (3, 2, 5, 4), inner, palette, 2),
        "outer-frame": writers.gif((6, 3), (3, 2, 5, 4), inner, palette),
    }
    return {f"gif-{name}.gif": data for name, data in files.items()}


def webps() -> dict:
    image, alpha = rgb(45, 37), rgba(29, 23)
    files = {
        "lossy": saved(image, "WEBP", quality=70),
        "lossy-alpha": saved(alpha, "WEBP", quality=40),
        "lossless": saved(image, "WEBP", lossless=True),
        "lossless-alpha": saved(alpha, "WEBP", lossless=True),
        "animated": saved(image, "WEBP", save_all=True, append_images=[image.rotate(180)]),
    }
    return {f"webp-{name}.webp": data for name, data in files.items()}


def bitmaps() -> dict:
    image = rgb(29, 23)
    modes = {"rgb": "RGB", "gray": "L", "1-bit": "1"}
    files = {name: saved(image.convert(mode), "BMP") for name, mode in modes.items()}
    files["palette"] = saved(image.quantize(12), "BMP")
    files["rgba"] = saved(rgba(29, 23), "BMP")
    return {f"bmp-{name}.bmp": data for name, data in files.items()}


def tiffs() -> dict:
    image = rgb(29, 23)
    deep = Image.fromarray(noise(22, 7, 1, seed=3)[..., 0].view("<u2"))
    files = {
        "rgb": saved(image, "TIFF"),
        "rgba": saved(rgba(29, 23), "TIFF"),
        "gray": saved(image.convert("L"), "TIFF", compression="packbits"),
        "gray-alpha": saved(rgba(29, 23).convert("LA"), "TIFF"),
        "1-bit": saved(image.convert("1"), "TIFF", compression="group4"),
        "palette": saved(image.quantize(12), "TIFF", compression="tiff_lzw"),
        "palette-big": saved(image.quantize(12), "TIFF", big_tiff=True),
        "cmyk": saved(image.convert("CMYK"), "TIFF", compression="tiff_adobe_deflate"),
        "16-bit-gray": saved(deep, "TIFF"),
        "jpeg": saved(image, "TIFF", compression="jpeg"),
        "turned": saved(image, "TIFF", tiffinfo={274: 6}),
    }
    return {f"tiff-{name}.tif": data for name, data in files.items()}


def oriented() -> dict:
    """One picture with all orientations that a camera may write, and two in other formats."""
    image, files = rgb(24, 16), {}
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[274] = orientation
        files[f"exif-{orientation}.jpg"] = saved(image, "JPEG", exif=exif)
        if orientation == 6:
            files["exif-6.png"] = saved(image, "PNG", exif=exif)
            files["exif-6.webp"] = saved(image, "WEBP", lossless=True, exif=exif)
    return files
