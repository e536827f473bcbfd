"""Image files: kinds that are read, orientations; broken, huge and hostile ones; kinds that are
not allowed."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from finecaption.io.images import load_image

from .case import Case, Place, command
from .drawing import BLUE, RED, SIZE, TRUTH, encoded, image

READ, TURNED, BROKEN = "image kinds", "orientations", "broken images"
HUGE, FOREIGN, ODD = "huge images", "kinds not allowed", "odd image files"
_SAVED: dict[str, tuple[str, str, dict[str, Any]]] = {  # -> mode, format, options; lossless ones
    "PNG": ("RGB", "PNG", {}), "PNG with a palette": ("P", "PNG", {}),
    "PNG, opaque alpha": ("RGBA", "PNG", {}), "PNG, interlaced": ("RGB", "PNG", {"optimize": True}),
    "APNG": ("RGB", "PNG", {"save_all": True, "append_images": [Image.new("RGB", SIZE)]}),
    "GIF": ("P", "GIF", {}), "BMP": ("RGB", "BMP", {}), "TIFF": ("RGB", "TIFF", {}),
    "TIFF, LZW": ("RGB", "TIFF", {"compression": "tiff_lzw"}),
    "TIFF, deflate": ("RGB", "TIFF", {"compression": "tiff_adobe_deflate"}),
    "TIFF, 2 pages": ("RGB", "TIFF", {"save_all": True, "append_images": [Image.new("RGB", SIZE)]}),
    "WebP": ("RGB", "WEBP", {"lossless": True}), 
    "PPM": ("RGB", "PPM", {}), "JPEG 2000": ("RGB", "JPEG2000", {}), 
    "animated GIF": ("P", "GIF", {"save_all": True, "append_images": [Image.new("P", SIZE)]}),
}  # fmt: skip
_LOSSY: dict[str, tuple[str, str, dict[str, Any]]] = {
    "JPEG": ("RGB", "JPEG", {"quality": 95}), "JPEG, CMYK": ("CMYK", "JPEG", {"quality": 95}),
    "JPEG, progressive": ("RGB", "JPEG", {"quality": 95, "progressive": True}),
    "WebP, lossy": ("RGB", "WEBP", {"quality": 95}), "AVIF": ("RGB", "AVIF", {"quality": 95}),
    "MPO": ("RGB", "MPO", {"quality": 95}),
}  # fmt: skip


def _thing(pixels: Image.Image) -> np.ndarray:
    """Where it is redder than blue: bool (H, W)."""
    rgb = np.asarray(pixels).astype(int)
    return np.asarray(rgb[..., 0] > rgb[..., 2])


def _colors(picture: Image.Image) -> list[Any]:
    return [picture.mode, picture.getpixel((70, 60)), picture.getpixel((5, 5)), _thing(picture)]


def _lossless(mode: str, form: str, options: dict[str, Any], place: Place) -> list[Any]:
    picture = image().quantize(8) if mode == "P" else image().convert(mode)
    return _colors(load_image(encoded(picture, form, **options)))


def _near(mode: str, form: str, options: dict[str, Any], place: Place) -> bool:
    found = load_image(encoded(image().convert(mode), form, **options))
    pixels = np.asarray(found).astype(int)
    inside = np.abs(pixels[60, 70] - RED).max() < 30 and np.abs(pixels[5, 5] - BLUE).max() < 30
    return bool(inside and np.count_nonzero(_thing(found) ^ TRUTH) < 400)


def _oriented(tag: int, form: str, place: Place) -> np.ndarray:
    exif = Image.Exif()
    exif[0x0112] = tag
    options = {"lossless": True} if form == "WEBP" else {"quality": 95} if form == "JPEG" else {}
    return _corner(load_image(encoded(_marked(), form, exif=exif, **options)))


def _marked() -> Image.Image:
    """A red quarter at the top left of 64 x 32 blue pixels."""
    picture = Image.new("RGB", (64, 32), BLUE)
    picture.paste(RED, (0, 0, 32, 16))
    return picture


def _corner(picture: Image.Image) -> np.ndarray:
    """Which quarters are red, of an image of the size that follows: [w, h, tl, tr, bl, br]."""
    width, height = picture.size
    spots = [(x, y) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    red = [int(picture.getpixel(at)[0] > 130) for at in spots]  # type: ignore[index] # RGB
    return np.array([width, height, *red])


_UPRIGHT = {  # EXIF 2.32, tag 274: where row 0 and column 0 of the file are
    1: (64, 32, 1, 0, 0, 0), 2: (64, 32, 0, 1, 0, 0), 3: (64, 32, 0, 0, 0, 1),
    4: (64, 32, 0, 0, 1, 0), 5: (32, 64, 1, 0, 0, 0), 6: (32, 64, 0, 1, 0, 0),
    7: (32, 64, 0, 0, 0, 1), 8: (32, 64, 0, 0, 1, 0), 0: (64, 32, 1, 0, 0, 0),
    9: (64, 32, 1, 0, 0, 0), 65535: (64, 32, 1, 0, 0, 0),
}  # fmt: skip


def _sliced(form: str, part: float, place: Place) -> Image.Image:
    noise = np.random.default_rng(3).integers(0, 256, (120, 160, 3), np.uint8)
    data = encoded(Image.fromarray(noise), form)
    return load_image(data[: int(len(data) * part)])


def _bytes(data: bytes, place: Place) -> Image.Image:
    return load_image(data)


def _file(name: str, make: Callable[[str], object], place: Place) -> list[Any]:
    make(name)
    return _colors(load_image(name))


def chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG chunk with its sum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_head(width: int, height: int, depth: int = 8, color: int = 2) -> bytes:
    """A PNG that claims a size and has next to no data."""
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _long_text(kind: str, place: Place) -> list[Any]:
    notes = PngImagePlugin.PngInfo()
    if kind == "iTXt":
        notes.add_itxt("workflow", "x" * 1_500_000, zip=True)
    else:
        notes.add_text("workflow", "x" * 1_500_000, zip=kind == "zTXt")
    return _colors(load_image(encoded(image(), "PNG", pnginfo=notes)))


SOUND = ["RGB", RED, BLUE, TRUTH]
_EPS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) show\nshowpage\n%%EOF\n"
)
_NOT_ALLOWED = {
    "EPS": _EPS,
    "EPS with a DOS head": b"\xc5\xd0\xd3\xc6" + struct.pack("<LL", 32, len(_EPS)) + bytes(20) + _EPS,
    **{form: encoded(image(), form) for form in ("TGA", "PCX", "ICO", "SGI", "DDS", "IM", "SPIDER")},
    "PDF": b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\n%%EOF\n",
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    "HTML": b"<html><script>alert(1)</script></html>",
    "WMF": b"\xd7\xcd\xc6\x9a" + bytes(40) + b"\x01\x00\x09\x00" + bytes(40),
    "EMF": b"\x01\x00\x00\x00" + bytes(36) + b" EMF" + bytes(60),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(90), "GRIB": b"GRIB\x00\x00\x00\x01" + bytes(90),
    "BUFR": b"BUFR" + bytes(90), "MPEG": b"\x00\x00\x01\xb3" + bytes(90),
    "a pickle": b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94.",
    "a ZIP": b"PK\x03\x04" + bytes(60), "a program": b"\x7fELF" + bytes(90),
    "an ImageMagick script": b"push graphic-context\nviewbox 0 0 9 9\nfill 'url(https://a/)'\n",
}  # fmt: skip
_MALFORMED = {
    "one byte": b"\x00", "a JPEG's two ends": b"\xff\xd8\xff\xd9", "only a PNG's mark":
    b"\x89PNG\r\n\x1a\n", "a GIF without a frame": b"GIF89a\x01\x00\x01\x00\x00\x00\x00;",
    "a TIFF whose directory is itself": b"II*\x00\x08\x00\x00\x00\x01\x00\x00\x01" + bytes(8)
    + b"\x08\x00\x00\x00", "a BMP of size 0": b"BM" + bytes(12) + struct.pack("<L", 40) + bytes(36),
    "random bytes": np.random.default_rng(1).bytes(3000), "NUL bytes": bytes(3000),
    "a PNG with a wrong sum": png_head(10, 10)[:29] + b"abcd" + png_head(10, 10)[33:],
    "a PNG without data": png_head(10, 10)[:33] + chunk(b"IEND", b""),
    "a PNG of depth 3": png_head(10, 10, 3), "a PNG of 0 x 0": png_head(0, 0),
    "a WebP that is cut": b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(10),
}  # fmt: skip


def cases() -> Iterator[Case]:
    """All of this file."""
    for name, given in _SAVED.items():
        yield Case(READ, name, partial(_lossless, *given), SOUND)
    for name, given in _LOSSY.items():
        yield Case(READ, name, partial(_near, *given), True)
    for form in ("JPEG", "PNG", "WEBP", "TIFF"):
        for tag, due in _UPRIGHT.items():
            if form == "TIFF" and tag not in range(1, 9):
                continue
            run = partial(_oriented, tag, form)
            yield Case(TURNED, f"{form}, orientation {tag}", run, np.array(due))
    for form in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"):
        for part in (0.02, 0.3, 0.9):
            run = partial(_sliced, form, part)
            yield Case(BROKEN, f"{form}, {part:.0%} of it", run, word="image")
    for name, data in _MALFORMED.items():
        yield Case(BROKEN, name, partial(_bytes, data), word="image")
    yield Case(BROKEN, "no byte", partial(_bytes, b""), word="empty")
    for width, height in ((60_000, 60_000), (2**31 - 1, 1), (1, 2**31 - 1), (100_001, 1000)):
        run = partial(_bytes, png_head(width, height))
        yield Case(HUGE, f"PNG of {width} x {height}", run, word="pixels")
    yield Case(
        HUGE,
        "PNG of 2^31-1 x 2^31-1",
        partial(_bytes, png_head(2**31 - 1, 2**31 - 1)),
        word="pixels",
    )
    for name, data in (("GIF", b"GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x01\x00;"),
                       ("PPM", b"P6 90000 90000 255\n" + bytes(99)),
                       ("BMP", b"BM" + bytes(8) + struct.pack("<LLllHHLLllLL", 54, 40, 90000, 90000, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(99))):  # fmt: skip
        yield Case(
            HUGE,
            f"{name} whose head claims over 4 gigapixels",
            partial(_bytes, data),
            word="pixels",
        )
    for kind in ("tEXt", "zTXt", "iTXt"):
        yield Case(ODD, f"PNG with a {kind} of 1.5 MB", partial(_long_text, kind), SOUND)
    for name, data in _NOT_ALLOWED.items():
        yield Case(FOREIGN, f"{name} as bytes", partial(_bytes, data), word="image")
        yield Case(FOREIGN, f"{name} as x.png, described", partial(_caption, data), word="image")
    yield from _odd_files()


def _caption(data: bytes, place: Place) -> str:
    (place.folder / "x.png").write_bytes(data)
    return command("caption", "x.png", "--global")


def _sparse(name: str) -> None:
    with open(name, "wb") as stream:
        stream.write(png_head(10, 10)[:40])
        stream.truncate(3 << 30)


def _odd_files() -> Iterator[Case]:
    makers: dict[str, tuple[str, Callable[[str], object], str]] = {
        "a folder": ("x.png", os.mkdir, "folder"),
        "a FIFO": ("x.png", os.mkfifo, "pipe"),
        "a link to itself": ("x.png", lambda name: os.symlink(name, name), "read"),
        "a link to nothing": ("x.png", lambda name: os.symlink("nowhere", name), "no such file"),
        "a device": ("x.png", lambda name: os.symlink("/dev/zero", name), "pipe"),
        "a sparse file of 3 GB": ("x.png", _sparse, "bytes"),
        "nothing": ("x.png", lambda name: None, "no such file"),
        "NUL in the name": ("x\0.png", lambda name: None, "path"),
        "a web address": ("http://127.0.0.1:9/x.png", lambda name: None, "not fetched"),
        "a name of 5,000 letters": ("x" * 5000, lambda name: None, "read"),
    }
    for name, (file, make, word) in makers.items():
        yield Case(ODD, name, partial(_file, file, make), word=word)
    names = (
        "-x.png",
        "a b.png",
        "é.png",
        "x.png.",
        "*.png",
        "x\ny.png",
        "noext",
        "x.jpg",
        "%s.png",
    )
    for name in names:
        make = lambda at: image().save(at, "PNG")  # noqa: E731 # short
        yield Case(ODD, f"the name {name!r}", partial(_file, name, make), SOUND)
    for shape, dtype, word in (((3, 9, 9), "uint8", "last"), ((9,), "uint8", "shape"), ((0, 9, 3), "uint8", "pixels"),
                               ((9, 9, 2), "uint8", "shape"), ((9, 9, 3), "int64", "dtype"), ((9, 9), "complex64", "dtype")):  # fmt: skip
        array = np.zeros(shape, dtype)
        yield Case(ODD, f"array {shape} of {dtype}", partial(_array, array), word=word)
    for bad, name in (
        (np.full((9, 9), np.nan), "NaN"),
        (np.full((9, 9), -1.0), "-1"),
        (np.full((9, 9), 256.0), "256"),
    ):
        yield Case(ODD, f"array of {name}", partial(_array, bad), word="float values")


def _array(array: np.ndarray, place: Place) -> Image.Image:
    return load_image(array)
