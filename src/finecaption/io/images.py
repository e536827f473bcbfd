"""Open any image robustly: file, bytes, PIL image or array -> upright RGB, 8 bits a channel."""

from __future__ import annotations

import io
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from PIL import Image, ImageFile, PngImagePlugin

from finecaption.errors import InputError

ImageSource: TypeAlias = (
    "str | os.PathLike[str] | bytes | bytearray | BinaryIO | Image.Image | np.ndarray"
)

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")

MAX_PIXELS = 100_000_000
"""Images with more pixels than this are refused before they are decoded."""

MAX_BYTES = 1 << 30
"""Larger files are refused before they are read: 100 million pixels of 16 bits take 600 MB."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "JPEG2000", "PPM")
"""Pillow's names of the formats that are opened (JPEG opens MPO, too); no others are. Images come
from strangers, and of Pillow's further 30 decoders some are hardly tried on hostile files, some
start other programs (PostScript), and some take nearly any bytes for theirs (TGA)."""

SUFFIXES = (
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".gif", ".bmp", ".dib",
    ".tif", ".tiff", ".avif", ".avifs", ".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c",
    ".pbm", ".pgm", ".ppm", ".pnm", ".pfm",
)  # fmt: skip
"""Ends of the names of image files, in folders: those of `FORMATS`."""

_ORIENTATION_TAG = 0x0112
_UPRIGHT = {  # EXIF orientation -> what makes the image upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def load_image(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """An image as a PIL image of mode RGB, upright and fully decoded.

    Orientation (EXIF, TIFF) is applied once; transparency is flattened on white; 16-bit grey is
    scaled to 8 bits (65535 -> 255); CMYK and palettes are converted; of an animation, the first
    frame is taken.

    Args:
        source: path, encoded bytes, binary file, PIL image, or array: (H, W), (H, W, 1 | 3 | 4),
            of bool, uint8, uint16 (0..65535), or float (0..1, or 0..255 if any value is over 1).
        max_pixels: limit on width x height.

    Raises:
        InputError: missing, empty, broken or unsupported file, too many pixels, unusable array.
    """
    if isinstance(source, np.ndarray):
        picture = _from_array(source)
        _check_pixels(picture.size, max_pixels, "image array")
    else:
        picture = open_picture(source, max_pixels=max_pixels)
    try:
        return _to_rgb(picture)
    except (ValueError, OSError) as error:
        raise InputError(
            f"{_describe(source)}: color mode {picture.mode} cannot be converted ({error}); "
            "save the image as RGB PNG or JPEG"
        ) from error


def open_picture(
    source: str | os.PathLike[str] | bytes | bytearray | BinaryIO | Image.Image,
    *,
    max_pixels: int = MAX_PIXELS,
    formats: tuple[str, ...] = FORMATS,
) -> Image.Image:
    """The first frame, decoded and upright, in the file's own mode (for masks: no conversion).

    Args:
        source: path, encoded bytes, binary file, or PIL image.
        max_pixels: limit on width x height.
        formats: those of `FORMATS` that are opened.

    Raises:
        InputError: as `load_image`.
    """
    name = _describe(source)
    if isinstance(source, Image.Image):
        _check_pixels(source.size, max_pixels, name)
        with _decoding(name, max_pixels):
            source.load()
        return _upright(source)
    stream = _stream(source, name)
    with _decoding(name, max_pixels), Image.open(stream, formats=formats) as picture:
        _check_pixels(picture.size, max_pixels, name)
        # copy(): a plain image, free of the file and of the animation's other frames
        frame = _two_colors(picture, stream) if picture.format == "BMP" else None
        if frame is None:
            picture.load()
            frame = picture.copy()
        frame.format = picture.format  # lossy or not matters for masks
        return _upright(frame)


def picture_size(
    source: str | os.PathLike[str] | bytes,
    *,
    max_pixels: int = MAX_PIXELS,
    formats: tuple[str, ...] = FORMATS,
) -> tuple[int, int]:
    """(width, height) of an image as it stands upright, from its header where that will do.

    Args:
        source: path or encoded bytes.
        max_pixels: limit on width x height.
        formats: those of `FORMATS` that are opened.

    Raises:
        InputError: as `load_image`.
    """
    name = _describe(source)
    if not isinstance(source, bytes):
        _check_file(Path(source), name)
    try:  # a path is opened as it is: the header is a small part of the file
        stream = io.BytesIO(source) if isinstance(source, bytes) else source
        size = _header_size(stream, name, max_pixels, formats)
    except InputError:
        size = _header_size(_stream(source, name), name, max_pixels, formats)
    _check_pixels(size, max_pixels, name)
    return size


def _header_size(
    source: Any, name: str, max_pixels: int, formats: tuple[str, ...]
) -> tuple[int, int]:
    with _decoding(name, max_pixels), Image.open(source, formats=formats) as picture:
        width, height = picture.size
        # of a TIFF file, Pillow gives the size as it is after its own rotation on loading
        turned = picture.format != "TIFF" and _orientation(picture) in (5, 6, 7, 8)
    return (height, width) if turned else (width, height)


def _two_colors(picture: ImageFile.ImageFile, stream: BinaryIO) -> Image.Image | None:
    """A BMP file of 4 or 8 bits whose palette is black and white, mode 1; None of another one.

    Pillow 12.3 takes every BMP file of two gray colors for one of 1 bit (BmpImagePlugin._bitmap)
    and reads the wrong pixels.
    """
    stream.seek(28)
    bits = int.from_bytes(stream.read(2), "little")
    stream.seek(0)
    if picture.mode != "1" or bits not in (4, 8) or picture.tile[0].codec_name != "raw":
        return None
    tile = picture.tile[0]
    assert isinstance(tile.args, tuple)  # those of raw are
    picture.tile = [tile._replace(args=({4: "P;4", 8: "P"}[bits], *tile.args[1:]))]
    picture._mode = "P"
    picture.putpalette((0, 0, 0, 255, 255, 255))
    picture.load()
    return picture.convert("1")


@contextmanager
def _decoding(name: str, max_pixels: int) -> Iterator[None]:
    """What decoders raise becomes InputError."""
    try:
        with warnings.catch_warnings():
            # Pillow's own threshold only warns; the limit that counts is max_pixels
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            # a broken EXIF block or tag table warns too, and the pixels may still be fine
            warnings.simplefilter("ignore", UserWarning)
            yield
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{name}: too many pixels ({error}); the limit is {max_pixels:,}: make it smaller"
        ) from error
    except Image.UnidentifiedImageError as error:
        raise InputError(
            f"{name}: not an image that can be read; give a PNG, JPEG, WebP, TIFF, AVIF, GIF, "
            "BMP, JPEG 2000 or PPM file"
        ) from error
    # Decoders meet arbitrary bytes here and raise nearly anything (OSError, SyntaxError,
    # struct.error, zlib.error, IndexError, MemoryError ...): all mean a broken file.
    except Exception as error:
        raise InputError(
            f"{name}: the image is broken ({error}); export or download it again"
        ) from error


def _upright(picture: Image.Image) -> Image.Image:
    """A decoded image, turned by the tag that it still has: of a TIFF file, Pillow turns the pixels
    and removes the tag while it decodes."""
    how = _UPRIGHT.get(_orientation(picture))
    if how is None:
        return picture
    turned = picture.transpose(how)
    turned.format = picture.format
    # without the file's metadata, so that who opens the result again does not turn it again
    turned.info = {key: value for key, value in turned.info.items() if key == "transparency"}
    return turned


def _describe(source: object) -> str:
    if isinstance(source, (str, os.PathLike)):
        return str(os.fspath(source))
    if isinstance(source, (bytes, bytearray)):
        return "image bytes"
    name = getattr(source, "name", None) or getattr(source, "filename", None)
    if isinstance(name, str) and name:
        return name
    return "image array" if isinstance(source, np.ndarray) else "image"


def _stream(source: Any, name: str) -> BinaryIO:
    """The whole input in memory, so that every way in meets the same checks."""
    if isinstance(source, (str, os.PathLike)):
        if str(source).startswith(("http://", "https://")):
            raise InputError(f"{name}: web addresses are not fetched; download the image first")
        path = Path(source)
        _check_file(path, name)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise InputError(f"{name}: no such file; check the path") from error
        except IsADirectoryError as error:
            raise InputError(f"{name}: is a folder; give an image file") from error
        except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
            raise InputError(f"{name}: cannot be read ({error}); check the path") from error
    elif isinstance(source, (bytes, bytearray)):
        data = bytes(source)
    elif hasattr(source, "read"):
        data = source.read()
        if not isinstance(data, bytes):
            raise InputError(f"{name}: the file is open as text; open it in binary mode ('rb')")
    else:
        raise InputError(
            f"image: {type(source).__name__} is not supported; give a path, bytes, a binary file, "
            "a PIL image or a numpy array"
        )
    if not data:
        raise InputError(f"{name}: is empty; give an image file")
    return io.BytesIO(without_long_texts(data))


def without_long_texts(data: bytes) -> bytes:
    """A PNG file without texts and color profiles that are too long for Pillow, which refuses a
    sound image for one that unpacks to more than a megabyte (workflows and prompts in the files of
    ComfyUI, profiles of printers). Other files, and what is no whole PNG file, stay as they are.

    Chunks: https://www.w3.org/TR/png-3/#11textinfo
    """
    if not data.startswith(PNG_SIGNATURE):
        return data
    kept: list[memoryview] = []
    view = memoryview(data)
    at, begin, total = len(PNG_SIGNATURE), 0, 0
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        if kind in _PNG_TEXTS:
            unpacked = _unpacked_length(kind, data[at + 8 : end - 4])
            if (
                unpacked > PngImagePlugin.MAX_TEXT_CHUNK
                or total + unpacked > PngImagePlugin.MAX_TEXT_MEMORY
            ):
                kept.append(view[begin:at])
                begin = end
            else:
                total += unpacked
        at = end
    return b"".join([*kept, view[begin:]]) if kept else data


def _unpacked_length(kind: bytes, body: bytes) -> int:
    """Bytes of a chunk's text, counted up to a little over Pillow's limit."""
    _, _, rest = body.partition(b"\0")
    if kind == b"iTXt":
        packed = rest[:1] != b"\0"
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    else:
        packed = kind != b"tEXt"
        rest = rest[packed:]
    if not packed:
        return len(rest)
    unpacker = zlib.decompressobj()
    try:
        return len(unpacker.decompress(rest, PngImagePlugin.MAX_TEXT_CHUNK + 1))
    except zlib.error:  # Pillow passes over these
        return 0


def _check_file(path: Path, name: str) -> None:
    """Raises InputError for what is there but is no file of a usual size: reading a pipe or a
    device may never end. What is not there is told by who opens it."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # ValueError: a NUL byte in the path
        return
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise InputError(f"{name}: is a pipe, a socket or a device; give an image file")
    if status.st_size > MAX_BYTES:
        raise InputError(
            f"{name}: has {status.st_size:,} bytes, over the limit of {MAX_BYTES:,}; make it "
            "smaller"
        )


def _check_pixels(size: tuple[int, int], max_pixels: int, name: str) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise InputError(f"{name}: has no pixels ({width} x {height})")
    if width * height > max_pixels:
        raise InputError(
            f"{name}: {width} x {height} = {width * height:,} pixels, over the limit of "
            f"{max_pixels:,}; make it smaller"
        )


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(_ORIENTATION_TAG, 1))
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, struct.error):
        return 1  # a broken EXIF block does not make the pixels unusable


def _to_rgb(picture: Image.Image) -> Image.Image:
    mode = picture.mode
    if mode == "RGB" and "transparency" not in picture.info:
        return picture
    if mode == "I" or mode == "F" or mode.startswith("I;16"):
        values = np.asarray(picture)
        return Image.fromarray(_grey_to_uint8(values), "L").convert("RGB")
    if mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        white = Image.new("RGB", picture.size, (255, 255, 255))
        white.paste(rgba, mask=rgba.getchannel("A"))
        return white
    return picture.convert("RGB")


def _grey_to_uint8(values: np.ndarray) -> np.ndarray:
    """(H, W) of more than 8 bits -> uint8. Range by type, or stretched where none is usual."""
    if not np.isfinite(values).all():
        raise ValueError("it holds NaN or infinite values")
    low, high = float(values.min()), float(values.max())
    usual = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (65535.0,)
    fits = next((limit for limit in usual if high <= limit), None)
    bottom, top = (low, high) if fits is None or low < 0 else (0.0, fits)
    if top == bottom:  # one value, of no usual range: it says nothing, and is shown as black
        top = bottom + 1.0
    scaled = (values.astype(np.float64) - bottom) * (255.0 / (top - bottom))
    return np.round(scaled).astype(np.uint8)


def _from_array(array: np.ndarray) -> Image.Image:
    shape = "x".join(map(str, array.shape))
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        hint = (
            "; put the channels last"
            if array.ndim == 3 and array.shape[0] in (1, 3, 4)
            else "; give (H, W), (H, W, 3) or (H, W, 4)"
        )
        raise InputError(f"image array: shape {shape} is not an image's{hint}")
    if array.size == 0:
        raise InputError(f"image array: shape {shape} has no pixels")
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    elif array.dtype == np.uint16:
        array = np.round(array / 257.0).astype(np.uint8)
    elif array.dtype.kind == "f":
        if not np.isfinite(array).all() or array.min() < 0 or array.max() > 255:
            raise InputError(
                "image array: float values must lie in 0..1 or 0..255, without NaN; "
                "undo any normalization first"
            )
        array = np.round(array * (255.0 if array.max() <= 1 else 1.0)).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise InputError(
            f"image array: dtype {array.dtype} is not supported; give uint8, uint16, bool or float"
        )
    return Image.fromarray(np.ascontiguousarray(array))
