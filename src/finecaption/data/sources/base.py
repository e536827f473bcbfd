"""What all readers share: options, where images are looked for, checks, problems, counts."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from finecaption.data.problems import Policy, Problem, Problems
from finecaption.data.record import compact_rle
from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.io.geometry import Size, check_size, same_shape, scale_box
from finecaption.io.images import MAX_PIXELS, load_image, picture_size
from finecaption.types import RegionSample, Task


def check_below(file: str | os.PathLike[str], folders: Sequence[Path]) -> None:
    """
    Raises:
        InputError: a file is in none of the folders, once links are followed.
    """
    real = os.path.realpath(file)
    roots = [os.path.realpath(folder) for folder in folders]
    if not any(os.path.commonpath([root, real]) == root for root in roots):
        raise InputError(
            f"image: {file} is outside the dataset ({', '.join(map(str, folders))}), so it is not "
            "copied; give --images for the folder of the images, or --allow-outside if you trust "
            "the annotations"
        )


def checked_id(value: object, field: str) -> int | str:
    """An id that records refer to one another by.

    Raises:
        InputError: it is neither a whole number nor text.
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)  # 902.0, as tables write whole numbers
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise InputError(f"{field}: must be a whole number or text; got {value!r}")
    return value


def annotated_size(width: object, height: object) -> Size:
    """The (width, height) that an annotation file gives for an image.

    Raises:
        InputError: not two positive whole numbers, or too many pixels.
    """
    if isinstance(width, str | bool) or isinstance(height, str | bool):
        raise InputError(f"size: must be two numbers of pixels; got {width!r}, {height!r}")
    size = check_size((width, height))  # type: ignore[arg-type] # checks it itself
    if size[0] * size[1] > MAX_PIXELS:
        raise InputError(f"size: {size[0]} x {size[1]} is over {MAX_PIXELS:,} pixels")
    return size


class Source(ABC):
    """A dataset on disk: iterating gives its samples, from the start each time.

    Nothing is read before that. Samples hold their masks as COCO RLE and their images as paths.
    """

    name: ClassVar[str]
    """As the registry and `RegionSample.source` have it."""
    licence: ClassVar[str] = ""
    """Note on the terms of the dataset, as its publishers state them."""
    resizes_masks: ClassVar[bool] = False
    """Whether masks of another size than their image are usual in it."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        images: str | os.PathLike[str] | None = None,
        split: str = "",
        problems: Policy = "raise",
        deep: bool = False,
        resize_masks: bool | None = None,
    ) -> None:
        """
        Args:
            path: the folder or file of annotations.
            images: folder of the images, where they are not beside the annotations.
            split: name of the split: which one to read where the dataset has several in one
                file, else a label for the samples.
            problems: "raise" stops at the first with a ProblemError, "skip" leaves the record
                out and notes it in `problems`.
            deep: decode every image and mask too, and compare their sizes.
            resize_masks: fit masks of another size to their image, nearest neighbor, where the
                shape agrees (default: as is usual in the dataset).

        Raises:
            InputError: there is no such path.
        """
        self.path = Path(path)
        if not self.path.exists():
            raise InputError(f"{self.path}: no such file or folder; check the path")
        self.images = None if images is None else Path(images)
        if self.images is not None and not self.images.is_dir():
            raise InputError(f"{self.images}: is not a folder; give the folder of the images")
        self.split = split
        self.deep = deep
        self.resize_masks = self.resizes_masks if resize_masks is None else resize_masks
        self.confined = False
        """Whether images outside the folders of the annotations and images are problems."""
        self.counts: Counter[str] = Counter()
        """What was recognized, and what was passed over that is no problem, since the start."""
        self._problems = Problems(problems)
        # the last image, of which many records follow one another
        self._seen: tuple[Path, Size] | None = None  # decoded, when deep
        self._found: tuple[tuple[str, ...], Path] | None = None
        # folders of the dataset's layout that images were found in, such as ../train2014
        self._places: set[Path] = set()
        self._header: tuple[Path, Size] | None = None
        self._bare: dict[Path, str] = {}

    @property
    def problems(self) -> list[Problem]:
        """What was left out since the iteration began."""
        return self._problems.found

    @property
    def root(self) -> Path:
        """The folder of the annotations."""
        return self.path if self.path.is_dir() else self.path.parent

    def __iter__(self) -> Iterator[RegionSample]:
        self._problems.found = []
        self.counts.clear()
        self._seen = self._found = self._header = None
        self._bare = {}
        yield from self._samples()

    @abstractmethod
    def _samples(self) -> Iterator[RegionSample]:
        """The stream itself."""

    def at(self, file: object, record: str = "") -> AbstractContextManager[None]:
        """See `Problems.at`."""
        return self._problems.at(file, record)

    def find_picture(
        self, name: object, *folders: str, field: str = "image", bare: bool = True
    ) -> Path:
        """An image's file: by its path, then (if `bare`) by its name without folders; in
        `images`, or else in the usual folders beside the annotations.

        Raises:
            InputError: it is nowhere; or several images would be the same file by their names
                without folders.
        """
        if not isinstance(name, str) or not name.strip() or "\0" in name:
            raise InputError(f"{field}: must be the name of an image file; got {name!r}")
        if self._found is not None and self._found[0] == (name, *folders):
            return self._found[1]
        if self.images is not None:
            places = [self.images, *(self.images / folder for folder in folders)]
        else:
            places = [self.root / folder for folder in (*folders, "images", "")]
        names = dict.fromkeys((name, Path(name).name) if bare else (name,))
        for known in filter(None, names):  # a bare name only where no path fits
            for place in places:
                file = place / known
                if file.is_file():
                    first = self._bare.setdefault(file, name) if known != name else name
                    if first != name:
                        raise InputError(
                            f"{field}: {name}: is not there, and {known} may be that of {first}, "
                            "too; give the folder that the paths are relative to (images)"
                        )
                    self._found = (name, *folders), file
                    self._places.add(place)
                    return file
        looked = ", ".join(str(place) for place in dict.fromkeys(places))
        raise InputError(
            f"{field}: {name}: no such image in {looked}; give the folder of the images "
            "(images), or download it"
        )

    def size_of(self, picture: Path, width: object = None, height: object = None) -> Size:
        """(width, height) of the image as it stands upright.

        Args:
            picture: its file; only the header is read.
            width, height: as the annotation gives them; None: it does not.

        Raises:
            InputError: the annotation is for an image of another size.
        """
        size, drawn = self.sizes_of(picture, width, height)
        if drawn != size:
            raise self._other_size(picture, size, drawn)
        return size

    def sizes_of(self, picture: Path, width: object, height: object) -> tuple[Size, Size]:
        """(width, height) of the image, and of the image that was annotated, of which it may be a
        larger or smaller copy: `mask_rle` and `box_rle` scale to it.

        Raises:
            InputError: the annotation is for an image of another shape.
        """
        if self._header is None or self._header[0] != picture:
            self._header = picture, picture_size(picture)
        size = self._header[1]
        if width is None and height is None:
            return size, size
        drawn = annotated_size(width, height)
        if not same_shape(drawn, size):
            raise self._other_size(picture, size, drawn)
        if drawn != size:
            self.counts["annotations scaled to their image"] += 1
        return size, drawn

    def _other_size(self, picture: Path, size: Size, drawn: Size) -> InputError:
        return InputError(
            f"size: the image {picture.name} is {size[0]} x {size[1]} pixels, but the record is "
            f"for {drawn[0]} x {drawn[1]}; use the dataset's own images"
        )

    def mask_rle(
        self, segmentation: Any, size: Size, field: str = "mask", drawn: Size | None = None
    ) -> dict[str, Any]:
        """COCO RLE (compressed or not), COCO polygons or a bool array -> RLE of the image.

        Args:
            segmentation: as the file has it.
            size: (width, height) of the image.
            field: what messages call it.
            drawn: of the image that it was drawn in; see `sizes_of`.

        Raises:
            InputError: as `masks.decode_segmentation`; of another size (unless `resize_masks` and
                of the same shape); empty (of RLE only seen when `deep`).
        """
        if isinstance(segmentation, Mapping):
            if not {"size", "counts"} <= set(segmentation):
                raise InputError(f'{field}: RLE must be {{"size": [height, width], "counts": ...}}')
            shape = segmentation["size"]
            if not isinstance(shape, list | tuple) or list(shape) != [size[1], size[0]]:
                segmentation = masks.decode_rle(segmentation, field=field)
            elif not isinstance(segmentation["counts"], str | bytes):
                segmentation = masks.decode_rle(segmentation, size, field)
            else:
                return compact_rle(segmentation)
        elif not isinstance(segmentation, np.ndarray):
            return masks.encode_rle(masks.decode_polygons(segmentation, size, field, drawn))
        return self._fit(segmentation, size, field, drawn)

    def _fit(self, mask: np.ndarray, size: Size, field: str, drawn: Size | None) -> dict[str, Any]:
        own = mask.shape[1], mask.shape[0]
        if own == drawn != size:
            mask = masks.resize_mask(mask, size)
        # one pixel of rounding, or 2 %, is a smaller copy; more is another crop
        elif self.resize_masks and own != size and same_shape(own, size, 0.02):
            mask = masks.resize_mask(mask, size)
            self.counts["masks resized to their picture"] += 1
        masks.check_mask_size(mask, size, field)
        if not mask.any():
            raise InputError(f"{field}: is empty; mark at least one pixel")
        return masks.encode_rle(mask)

    def box_rle(
        self, box: Any, size: Size, field: str = "box", drawn: Size | None = None
    ) -> dict[str, Any]:
        """A filled xyxy box as RLE; what lies outside the image is cut. `drawn`: see `mask_rle`."""
        return masks.encode_rle(masks.mask_from_box(scale_box(box, drawn, size), size, field))

    def sample(
        self,
        image: Path,
        size: Size,
        task: Task,
        text: object,
        mask: Mapping[str, Any] | None = None,
        *,
        attribute: str | None = None,
        image_id: object = "",
        region_id: object = None,
        split: str | None = None,
        licence: str | None = None,
        prompt: str | None = None,
        source: str | None = None,
    ) -> RegionSample:
        """A checked sample of this dataset; text is stripped, ids become text.

        Raises:
            InputError: as `RegionSample`; when `deep`, also what cannot be decoded.
        """
        if not isinstance(text, str):
            raise InputError(f"text: must be text; got {text!r}")
        made = RegionSample(
            image=str(image),
            size=size,
            task=task,
            text=text.strip(),
            mask=mask,
            attribute=attribute,
            image_id=str(image_id),
            region_id=None if region_id is None else str(region_id),
            split=self.split if split is None else split,
            source=self.name if source is None else source,
            licence=self.licence if licence is None else licence,
            prompt=prompt,
        )
        self._check_size(image, made)
        self.counts[f"samples of {task}"] += 1
        return made

    def _check_place(self, image: Path) -> None:
        if self.confined:
            own = self._places if self.images is None else {self.images}
            check_below(image, [self.root, *sorted(own)])

    def _check_size(self, image: Path, sample: RegionSample) -> None:
        """Checks that image and sample are of one size; when `deep`, also that both decode. When
        `confined`, that the image belongs to the dataset."""
        self._check_place(image)
        if self.deep and (self._seen is None or self._seen[0] != image):
            self._seen = self._header = (image, load_image(image).size)
        found, _ = self.sizes_of(image, None, None)
        if found != sample.size:
            raise self._other_size(image, found, sample.size)
        if self.deep and sample.mask is not None:
            sample.region()
