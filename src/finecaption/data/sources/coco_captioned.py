"""COCO's layouts with a caption on each region: Pix2Cap-COCO, URECA and the like.

Layout: COCO's JSON (see `coco`), in which each annotation has a segmentation and a caption; or its
panoptic form (see `coco_panoptic`), in which each of the `segments_info` has the caption, with the
PNG files of COCO panoptic, or with a `segmentation` of its own. Caption keys: `caption`,
`description`, `dense_caption`, `captions`, `descriptions`, `text`; a text or a list of texts.

Pix2Cap-COCO: `pix2cap_coco_train.json`, `pix2cap_coco_val.json`, panoptic with `description`, as
in geshang777/pix2cap, datasets/registration/register_pix2cap_coco.py. URECA is read as annotations
with captions; its own layout was not available when this was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from finecaption.data.sources.coco import CocoInstances, CocoTables
from finecaption.data.sources.coco_panoptic import PanopticFile, segment_mask, segments_of
from finecaption.errors import InputError
from finecaption.io.geometry import Size
from finecaption.types import RegionSample

CAPTION_KEYS = ("caption", "description", "dense_caption", "captions", "descriptions", "text")
"""In the order in which they are looked for."""


class CocoCaptioned(PanopticFile):
    """Captions of masked regions (rdc). Regions with an empty caption are passed over."""

    def _annotation(
        self, file: Path, annotation: dict[str, Any], tables: CocoTables
    ) -> Iterator[RegionSample]:
        picture, size, drawn = self.picture_of(file, annotation, tables)
        common = {"image_id": annotation["image_id"], "split": self.split_of(file)}
        if "segments_info" not in annotation:
            yield from self._region(annotation, None, picture, (size, drawn), common)
            return
        segments = segments_of(annotation)
        lacking = any("segmentation" not in segment for segment in segments)
        ids = self.id_map(file, annotation) if lacking else None
        for index, segment in enumerate(segments):
            with self.at(file, f"image {annotation['image_id']}, segments_info[{index}]"):
                yield from self._region(segment, ids, picture, (size, drawn), common)

    def _region(
        self,
        region: dict[str, Any],
        ids: np.ndarray | None,
        picture: Path,
        sizes: tuple[Size, Size],
        common: dict[str, Any],
    ) -> Iterator[RegionSample]:
        size, drawn = sizes
        key = next((key for key in CAPTION_KEYS if key in region), None)
        if key is None:
            raise InputError(f"caption: is missing; looked for {', '.join(CAPTION_KEYS)}")
        value = region[key]
        texts = value if isinstance(value, list) else [value]
        if not all(text is None or isinstance(text, str) for text in texts):
            raise InputError(f"{key}: must be text or a list of texts; got {value!r}")
        texts = [text for text in texts if text and text.strip()]
        if not texts:
            self.counts["regions without caption passed over"] += 1
            return
        if "segmentation" in region:
            mask = self.mask_rle(region["segmentation"], size, "segmentation", drawn)
        elif ids is not None:
            mask = self.mask_rle(segment_mask(ids, region), size, drawn=drawn)
        else:
            raise InputError("segmentation: is missing")
        for text in texts:
            yield self.sample(
                picture, size, "rdc", text, mask, region_id=region.get("id"), **common
            )


class Pix2Cap(CocoCaptioned):
    """Pix2Cap-COCO: 167,254 captions on COCO's panoptic segments."""

    name = "pix2cap"
    licence = f"captions: see geshang/Pix2Cap-COCO; {CocoInstances.licence}"
    pattern = "pix2cap_coco"


class Ureca(CocoCaptioned):
    """URECA, and any JSON file in COCO's layout with a caption an annotation."""

    name = "ureca"
    licence = "see the data set's page; pictures: SA-1B Dataset Research License"
    pattern = "*"
