"""Loads images and masks of requests: data URIs, base64 and URLs; sizes are checked first."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from finecaption.errors import InputError
from finecaption.io.geometry import Size
from finecaption.io.images import load_image, open_picture, picture_size
from finecaption.io.mask_values import opaque_part
from finecaption.server.fetch import Fetcher
from finecaption.server.memory import IMAGE_BYTES
from finecaption.server.settings import Settings

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""No others are opened: the fewer decoders meet strangers' bytes, the better."""

MAX_SIDE = 32_768
"""Pixels of the longer side: lines of a few pixels take far more memory than their pixels."""

_HEADER = re.compile(r"data:([\w.+/-]*)((?:;[\w.+=-]+)*?)(;base64)?,", re.IGNORECASE)
_MOST_FETCHES = 8
_PART = 1 << 20  # characters of base64, a multiple of 4
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """An image of a request."""

    picture: Image.Image
    """RGB, upright."""
    mask: np.ndarray | None
    """bool (H, W): the region that its transparency marks, if it does."""
    digest: bytes
    """Same digest, same image."""


class ImageLoader:
    """Loads images in separate threads, so that the event loop is not blocked."""

    def __init__(self, settings: Settings, fetcher: Fetcher | None = None) -> None:
        """`fetcher` replaces the one that the settings ask for, in tests."""
        self.settings = settings
        self.fetcher = fetcher
        if fetcher is None and settings.allow_urls:
            self.fetcher = Fetcher(
                timeout=settings.url_timeout,
                limit=settings.max_body,
                redirects=settings.url_redirects,
                hosts=settings.url_hosts,
                ports=settings.url_ports,
            )
        # one thread: decoded images come one after the other, which bounds the memory, and
        # Python's warning filters, which decoding sets, are not made for several
        self._decoder = ThreadPoolExecutor(1, "finecaption-images")
        self._fetches = ThreadPoolExecutor(_MOST_FETCHES, "finecaption-fetch")

    def close(self) -> None:
        """Ends the threads."""
        self._decoder.shutdown(wait=False, cancel_futures=True)
        self._fetches.shutdown(wait=False, cancel_futures=True)

    async def run(self, work: Callable[..., T], *given: Any) -> T:
        """Runs what takes more than a moment on the decoding thread."""
        return await asyncio.get_running_loop().run_in_executor(self._decoder, work, *given)

    async def load(
        self, text: str, *, alpha: bool, field: str, hold: Callable[[int], None] = lambda size: None
    ) -> LoadedImage:
        """The image that a data URI, base64 text or a web address gives.

        Args:
            text: of the request.
            alpha: whether transparency marks a region; if not, it is flattened on white.
            field: the request's, for messages.
            hold: called with the image's bytes in memory before it is decoded; it may refuse.

        Raises:
            InputError: not one of these, not allowed, too many pixels, broken, or all transparent.
        """
        if text[:8].lower().startswith(("http://", "https://")):
            data = await self._fetch(text, field)
        else:
            data = await self.run(decode_base64, text, field)
        width, height = await self.run(check_size, data, self.settings.max_pixels, field)
        hold((IMAGE_BYTES + alpha) * width * height)
        return await self.run(decode_image, data, self.settings.max_pixels, alpha, field)

    async def _fetch(self, url: str, field: str) -> bytes:
        if self.fetcher is None:
            raise InputError(
                f"{field}: this server fetches no web addresses; send the image itself as "
                "data:image/png;base64,..."
            )
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._fetches, self.fetcher.fetch, url)


def decode_base64(text: str, field: str) -> bytes:
    """A data URI, or bare base64 -> bytes.

    Raises:
        InputError: neither, or nothing in it.
    """
    payload = text
    if text[:5].lower() == "data:":
        header = _HEADER.match(text[:256])
        if header is None or header[3] is None:
            raise InputError(
                f"{field}: the data URI must begin like data:image/png;base64, and base64 follow"
            )
        payload = text[header.end() :]
    try:
        plain = "".join(payload.split())
        if plain.find("=", 0, max(0, len(plain) - 2)) >= 0:
            raise ValueError("padding before the end")
        # in parts, between which other threads come to their turn
        data = b"".join(
            base64.b64decode(plain[at : at + _PART], validate=True)
            for at in range(0, len(plain), _PART)
        )
    except (binascii.Error, ValueError) as error:
        raise InputError(
            f"{field}: is neither a data URI (data:image/png;base64,...) nor base64 text"
        ) from error
    if not data:
        raise InputError(f"{field}: is empty; send an image")
    return data


def decode_image(data: bytes, max_pixels: int, alpha: bool, field: str) -> LoadedImage:
    """Bytes -> image, and the region that its transparency marks if `alpha` says to look.

    An RGBA image marks a region by alpha >= 50 % if some pixel's alpha is below that; its colors
    are taken as they are, also where it is transparent (the convention of chat requests for
    regions). Any other alpha marks nothing.

    Raises:
        InputError: too many pixels, of no known format, broken, or transparent everywhere.
    """
    check_size(data, max_pixels, field)
    opened = _named(field, open_picture, data, max_pixels=max_pixels, formats=FORMATS)
    mask = opaque_part(opened) if alpha else None
    if mask is None:
        return _loaded(_named(field, load_image, opened), None)
    if not mask.any():
        raise InputError(
            f"{field}: the image is transparent everywhere, so it marks no region; make the "
            "region's pixels opaque"
        )
    return _loaded(opened.convert("RGBA").convert("RGB"), mask)


def _loaded(picture: Image.Image, mask: np.ndarray | None) -> LoadedImage:
    # of the pixels, not of the file: one image with many masks is encoded once
    digest = hashlib.blake2b(picture.tobytes(), digest_size=32, key=repr(picture.size).encode())
    return LoadedImage(picture, mask, digest.digest())


def decode_mask(data: bytes, size: Size, field: str) -> bytes:
    """A mask image's bytes, once its pixels are known to be as many as the image's.

    Raises:
        InputError: of no known format, or larger than the image.
    """
    check_size(data, size[0] * size[1], field)
    return data


def check_size(data: bytes, max_pixels: int, field: str) -> Size:
    """The (width, height) of an image file by its header only.

    Raises:
        InputError: over `max_pixels`, a side over `MAX_SIDE`, of no known format, or broken.
    """
    try:
        size = picture_size(data, max_pixels=max_pixels, formats=FORMATS)
    except InputError as error:
        if error.__cause__ is None or isinstance(error.__cause__, Image.DecompressionBombError):
            raise InputError(f"{field}: {error}") from error
        raise InputError(
            f"{field}: not an image that can be read; send PNG, JPEG, WebP, GIF, BMP or TIFF"
        ) from error
    if max(size) > MAX_SIDE:
        raise InputError(
            f"{field}: {size[0]} x {size[1]} has a side over {MAX_SIDE:,} pixels; send a part of it"
        )
    return size


def _named(field: str, work: Callable[..., Image.Image], *given: Any, **more: Any) -> Image.Image:
    try:
        return work(*given, **more)
    except InputError as error:
        raise InputError(f"{field}: {error}") from error
