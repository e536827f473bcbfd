"""A cache of encoded images."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finecaption.captioner import EncodedImage

_REMEMBERED = 4096  # digests of images that have been asked about


class ImageCache:
    """A least-recently-used cache of encoded images."""

    def __init__(self, count: int, pixels: int) -> None:
        """
        Args:
            count: the most images; 0 keeps none.
            pixels: the most of all images together.
        """
        self._limits = (count, pixels)
        self._kept: OrderedDict[bytes, EncodedImage] = OrderedDict()
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._pixels = 0

    def seen(self, digest: bytes) -> bool:
        """Whether the image was seen recently; marks it as seen."""
        if not digest or not self._limits[0]:
            return False
        before = digest in self._seen or digest in self._kept
        self._seen[digest] = None
        self._seen.move_to_end(digest)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return before

    def get(self, digest: bytes) -> EncodedImage | None:
        """The encoded image with these pixels, if it is cached."""
        found = self._kept.get(digest)
        if found is not None:
            self._kept.move_to_end(digest)
        return found

    def put(self, digest: bytes, encoded: EncodedImage) -> None:
        """Caches an image, unless it alone exceeds the limit."""
        size = encoded.size[0] * encoded.size[1]
        count, pixels = self._limits
        if not digest or digest in self._kept or not count or size > pixels:
            return
        self._kept[digest] = encoded
        self._pixels += size
        while len(self._kept) > count or self._pixels > pixels:
            _, old = self._kept.popitem(last=False)
            self._pixels -= old.size[0] * old.size[1]
