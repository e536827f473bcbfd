"""A plain folder of your own images.

Layout, at any depth::

    x.jpg          an image (JPEG, PNG, WebP, TIFF, AVIF and what else `io.images.SUFFIXES` has)
    x.mask.png     the region; without it the transparency of x.png; without that, the whole image
    x.txt          the caption, UTF-8; `Attribute: sentence` lines become one sample each

Several regions: `x.1.mask.png` with `x.1.txt`, and so on. Files that are none of these are counted
and passed over. A text of which every line begins with a
known attribute's name and a colon gives attribute captions; any other text is one caption, dense
for a region, global for the whole image.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from finecaption.attributes import find_attribute
from finecaption.data.sources.base import Source
from finecaption.data.sources.reading import open_text
from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.io.images import SUFFIXES, open_picture
from finecaption.io.mask_values import opaque_part
from finecaption.types import RegionSample


class Folder(Source):
    """See the module. Ids are paths from the folder, without suffix."""

    name = "folder"

    def _samples(self) -> Iterator[RegionSample]:
        if not self.path.is_dir():
            raise InputError(f"{self.path}: is a file; give the folder that holds the images")
        found = False
        for picture in sorted(self.path.rglob("*")):
            hidden = any(p.startswith(".") for p in picture.relative_to(self.path).parts)
            if hidden or not picture.is_file():
                continue
            suffix = picture.suffix.lower()
            if suffix not in SUFFIXES:
                if suffix != ".txt":
                    self.counts[f"{suffix or 'suffixless'} files passed over"] += 1
                continue
            if picture.stem.endswith(".mask"):
                with self.at(picture):
                    self._check_owner(picture)
                continue
            found = True
            with self.at(picture):
                yield from self._picture(picture)
        if not found:
            with self.at(self.path):
                there = ", ".join(f"{number} {what}" for what, number in self.counts.items())
                raise InputError(f"holds no image ({there or 'it is empty'}); check the path")

    def _check_owner(self, mask: Path) -> None:
        base = re.sub(r"\.\d+$", "", mask.stem.removesuffix(".mask"))
        names = {base, mask.stem.removesuffix(".mask")}
        if not any(
            file.stem in names and file.suffix.lower() in SUFFIXES for file in mask.parent.iterdir()
        ):
            raise InputError(
                f"is the mask of {base}, but there is no such image; add it or remove the mask"
            )

    def _picture(self, picture: Path) -> Iterator[RegionSample]:
        image_id = picture.relative_to(self.path).with_suffix("").as_posix()
        regions = self._regions(picture)
        if not regions:
            raise InputError(
                f"has no text; write its caption to {picture.stem}.txt, or remove the image"
            )
        upright = open_picture(picture)
        for region_id, text_file, mask_file in regions:
            with self.at(text_file):
                alpha = None if mask_file or region_id else opaque_part(upright)
                whole = mask_file is None and alpha is None
                if mask_file is not None:
                    rle = self.mask_rle(masks.load_mask(mask_file), upright.size, mask_file.name)
                elif alpha is not None:
                    rle = self.mask_rle(alpha, upright.size, "alpha")
                captions = _captions(text_file)
                for attribute, text in captions:
                    if whole and attribute is not None:
                        rle = masks.encode_rle(np.ones(upright.size[::-1], bool))
                    task = "aarc" if attribute else "cgic" if whole else "rdc"
                    yield self.sample(
                        picture,
                        upright.size,
                        task,  # type: ignore[arg-type] # one of the three
                        text,
                        None if task == "cgic" else rle,
                        attribute=attribute,
                        image_id=image_id,
                        region_id=None if task == "cgic" else region_id or "1",
                    )

    def _regions(self, picture: Path) -> list[tuple[str, Path, Path | None]]:
        """(region id, text, mask if there is one) of an image; the id is "" for the plain pair."""
        stem = picture.stem
        own = re.compile(re.escape(stem) + r"(?:\.(\d+))?\.mask(\.\w+)", re.I)
        texts = re.compile(re.escape(stem) + r"(?:\.(\d+))?\.txt", re.I)
        mask_of: dict[str, Path] = {}
        text_of: dict[str, Path] = {}
        for file in sorted(picture.parent.iterdir()):
            found = own.fullmatch(file.name)
            if found and found[2].lower() in SUFFIXES:
                first = mask_of.setdefault(found[1] or "", file)
                if first != file:
                    raise InputError(f"has two masks, {first.name} and {file.name}; keep one")
            elif found := texts.fullmatch(file.name):
                text_of[found[1] or ""] = file
        for region in sorted(mask_of.keys() - text_of.keys()):
            with self.at(mask_of[region]):
                missing = mask_of[region].stem.removesuffix(".mask") + ".txt"
                raise InputError(f"is a mask without text; write the region's caption to {missing}")
        if mask_of and not text_of:
            return []
        return [
            (region, text_of[region], mask_of.get(region))
            for region in sorted(text_of, key=lambda r: int(r or 0))
        ]


def _captions(file: Path) -> list[tuple[str | None, str]]:
    """(attribute or None, text) of a text file."""
    with open_text(file) as stream:
        try:
            text = stream.read().strip()
        except UnicodeDecodeError as error:
            raise InputError(f"is not UTF-8 text ({error.reason}); save it as UTF-8") from error
    if not text:
        raise InputError("is empty; write the caption into it")
    pairs: list[tuple[str | None, str]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, said = line.partition(":")
        known = find_attribute(name) if colon else None
        if known is None or not said.strip():
            return [(None, " ".join(text.split()))]
        pairs.append((known.name, said.strip()))
    return pairs
