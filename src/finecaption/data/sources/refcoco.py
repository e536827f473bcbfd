"""RefCOCO, RefCOCO+, RefCOCOg: referring expressions on COCO train2014 images.

Layout, as github.com/lichengunc/refer has it: `refcoco/refs(unc).p` and `refcoco/instances.json`;
likewise `refcoco+` (unc) and `refcocog` (umd, google). Images in `images/mscoco/images/train2014`
or `train2014`, beside or above. Splits: train, val, testA, testB; of RefCOCOg train, val, test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finecaption.attributes import canonical_name
from finecaption.data.sources.base import Source, checked_id
from finecaption.data.sources.reading import json_items
from finecaption.data.sources.safe_pickle import load_plain_pickle
from finecaption.errors import InputError
from finecaption.types import RegionSample

SPLIT_BY = ("unc", "umd", "google")
"""In the order in which a folder is searched: the usual splits of each of the three come first."""

_PICTURES = tuple(
    f"{above}{folder}"
    for above in ("", "../", "../../")
    for folder in ("train2014", "images/mscoco/images/train2014", "images/train2014")
)


class RefCoco(Source):
    """One sample per sentence; `source` is the folder's name, which distinguishes the three."""

    name = "refcoco"
    licence = "annotations: Apache-2.0 (lichengunc/refer); pictures: COCO, their owners' on Flickr"

    def __init__(
        self,
        *args: Any,
        split_by: str | None = None,
        attribute: str = "Referring Expression",
        **options: Any,
    ) -> None:
        """
        Args:
            split_by: whose splits: unc, umd or google (default: the first that the folder has).
            attribute: under what name the expressions are asked for. They are too terse to be
                One-Sentence Descriptions ("left man"), so they have a name of their own.
        """
        super().__init__(*args, **options)
        if split_by not in (None, *SPLIT_BY):
            raise InputError(f"split_by: must be one of {', '.join(SPLIT_BY)}; got {split_by!r}")
        self.split_by = split_by
        self.attribute = canonical_name(attribute)

    def _refs_file(self) -> Path:
        if self.path.is_file():
            return self.path
        wanted = (self.split_by,) if self.split_by else SPLIT_BY
        for name in wanted:
            if (self.path / f"refs({name}).p").is_file():
                return self.path / f"refs({name}).p"
        raise InputError(
            f"{self.path}: has no {' or '.join(f'refs({name}).p' for name in wanted)}; give the "
            "folder of one dataset (refcoco, refcoco+ or refcocog)"
        )

    def _samples(self) -> Iterator[RegionSample]:
        refs_file = self._refs_file()
        instances = refs_file.with_name("instances.json")
        with self.at(refs_file):
            refs = load_plain_pickle(refs_file)
            if not isinstance(refs, list):
                raise InputError(f"must hold a list of refs; got {type(refs).__name__}")
            chosen = self._chosen(refs)
            regions: dict[Any, str] | None = None
            with self.at(instances):
                images, regions = _instances(
                    instances, {str(r.get("ann_id")) for _, r in chosen if isinstance(r, dict)}
                )
            if regions is None:
                return
            for index, ref in chosen:
                with self.at(refs_file, f"[{index}]"):
                    yield from self._ref(ref, images, regions, refs_file.parent.name)

    def _chosen(self, refs: list[Any]) -> list[tuple[int, Any]]:
        """Refs of the split, and what is no ref at all, to be reported."""
        chosen = [
            (index, ref)
            for index, ref in enumerate(refs)
            if not self.split or not isinstance(ref, dict) or ref.get("split") == self.split
        ]
        self.counts["refs of other splits passed over"] += len(refs) - len(chosen)
        splits = sorted({str(ref.get("split")) for ref in refs if isinstance(ref, dict)})
        if self.split and self.split not in splits:
            raise InputError(f"split: has no {self.split!r}; it has {', '.join(splits)}")
        return chosen

    def _ref(
        self, ref: Any, images: dict[Any, tuple[Any, ...]], regions: dict[Any, str], source: str
    ) -> Iterator[RegionSample]:
        needed = ("ref_id", "ann_id", "image_id", "split", "sentences")
        missing = [name for name in needed if not isinstance(ref, dict) or name not in ref]
        if missing:
            raise InputError(f"{missing[0]}: is missing; a ref has {', '.join(needed)}")
        ann_id, image_id = (checked_id(ref[name], name) for name in ("ann_id", "image_id"))
        if ann_id not in regions:
            raise InputError(f"ann_id: {ann_id} is not in instances.json; use its own one")
        if image_id not in images:
            raise InputError(f"image_id: {image_id} is not in instances.json")
        name, width, height = images[image_id]
        picture = self.find_picture(name, *_PICTURES)
        size, drawn = self.sizes_of(picture, width, height)
        mask = self.mask_rle(json.loads(regions[ann_id]), size, "segmentation", drawn)
        if not isinstance(ref["sentences"], list) or not ref["sentences"]:
            raise InputError("sentences: must be a list of sentences, at least one")
        for index, sentence in enumerate(ref["sentences"]):
            text = sentence.get("raw") or sentence.get("sent") if isinstance(sentence, dict) else ""
            if not isinstance(text, str) or not text.strip():
                raise InputError(f"sentences[{index}]: has neither raw nor sent text")
            yield self.sample(
                picture,
                size,
                "aarc",
                text,
                mask,
                attribute=self.attribute,
                image_id=ref["image_id"],
                region_id=ref["ref_id"],
                split=str(ref["split"]),
                source=source,
            )


def _instances(file: Path, wanted: set[str]) -> tuple[dict[Any, tuple[Any, ...]], dict[Any, str]]:
    """(image id -> name, width, height), (annotation id -> segmentation as JSON text).

    As text: lists of floats would take ten times the memory.
    """
    images: dict[Any, tuple[Any, ...]] = {}
    regions: dict[Any, str] = {}
    for item in json_items(file, "images", "annotations"):
        value = item.value
        if not isinstance(value, dict) or "id" not in value:
            raise InputError(f"{item.place}: has no id; it is no instances.json of RefCOCO")
        number = checked_id(value["id"], f"{item.place}.id")
        if item.key == "images":
            entry = (value.get("file_name"), value.get("width"), value.get("height"))
            if images.setdefault(number, entry) != entry:
                raise InputError(f"{item.place}: id {number} is that of another image, too")
        elif str(number) in wanted:
            if number in regions:
                raise InputError(f"{item.place}: id {number} is that of another annotation, too")
            regions[number] = json.dumps(value.get("segmentation"))
    return images, regions
