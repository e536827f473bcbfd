"""PNG files without the texts and profiles that are too long for Pillow.

Pillow refuses a sound image whose text or color profile unpacks to more than a megabyte (of
workflows and prompts in the files of ComfyUI, of profiles of printers). Neither is needed here.
"""

from __future__ import annotations

import struct
import zlib

from PIL import PngImagePlugin

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")


def without_long_texts(data: bytes) -> bytes:
    """The file without text and ICC chunks over Pillow's limits; other files, and what is no whole
    PNG file, as they are.

    Chunks: https://www.w3.org/TR/png-3/#11textinfo
    """
    if not data.startswith(SIGNATURE):
        return data
    kept: list[memoryview] = []
    view = memoryview(data)
    at, begin, total = len(SIGNATURE), 0, 0
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        if kind in _TEXTS:
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
