"""Open Images V5-V7 instance segmentation: class names of masked things.

Layout: `<split>-annotations-object-segmentation.csv` with the columns `MaskPath, ImageID,
LabelName, BoxID, BoxXMin, BoxXMax, BoxYMin, BoxYMax, PredictedIoU, Clicks` (boxes normalized);
class names in `*class-descriptions*.csv` (`/m/01g317,Person`); masks as PNG in `<split>-masks*`,
`masks` or beside it, of any size; images `<ImageID>.jpg` in `<split>`, `images` or beside it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finecaption.data.sources.base import Source
from finecaption.data.sources.reading import annotation_files, open_text
from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.types import RegionSample

_ENDING = "-annotations-object-segmentation.csv"
_NEEDED = ("MaskPath", "ImageID", "LabelName", "BoxID")


class OpenImages(Source):
    """Masks are fitted to their images, nearest neighbor: theirs is often another size."""

    name = "open-images"
    licence = "annotations: CC BY 4.0 (Google); pictures: CC BY 2.0 as listed by Open Images"
    resizes_masks = True

    def __init__(self, *args: Any, masks: str | Path | None = None, **options: Any) -> None:
        """
        Args:
            masks: folder of the mask files, searched with its subfolders' usual names.
        """
        super().__init__(*args, **options)
        self.masks = None if masks is None else Path(masks)
        if self.masks is not None and not self.masks.is_dir():
            raise InputError(f"{self.masks}: is not a folder; give the folder of the masks")

    def _samples(self) -> Iterator[RegionSample]:
        names = self._class_names()
        for file in annotation_files(self.path, f"{self.split or '*'}{_ENDING}"):
            split = file.name.removesuffix(_ENDING) if file.name.endswith(_ENDING) else self.split
            with self.at(file), open_text(file) as stream:
                rows = csv.DictReader(stream)
                missing = [name for name in _NEEDED if name not in (rows.fieldnames or ())]
                if missing:
                    raise InputError(f"has no column {missing[0]}; it needs {', '.join(_NEEDED)}")
                try:
                    for row in rows:
                        with self.at(file, f"line {rows.line_num}"):
                            yield self._row(row, names, split)
                except (csv.Error, UnicodeDecodeError) as error:
                    raise InputError(f"is not a CSV file in UTF-8 ({error})") from error

    def _class_names(self) -> dict[str, str]:
        names: dict[str, str] = {}
        files = sorted(self.root.glob("*class-descriptions*.csv"))
        if not files:
            raise InputError(
                f"{self.root}: has no *class-descriptions*.csv; download it beside the annotations"
            )
        for file in files:
            with self.at(file), open_text(file) as stream:
                names |= {row[0]: row[1] for row in csv.reader(stream) if len(row) >= 2}
        return names

    def _row(self, row: dict[str, Any], names: dict[str, str], split: str) -> RegionSample:
        for field in _NEEDED:
            if not row.get(field):
                raise InputError(f"{field}: is empty")
        label = row["LabelName"]
        if label not in names:
            raise InputError(f"LabelName: {label} is not in the class descriptions")
        picture = self.find_picture(f"{row['ImageID']}.jpg", split)
        size = self.size_of(picture)
        found = masks.load_mask(self._mask_file(row["MaskPath"], split))
        return self.sample(
            picture,
            size,
            "aarc",
            names[label],
            self.mask_rle(found, size, "MaskPath"),
            attribute="Category Name",
            image_id=row["ImageID"],
            region_id=f"{label}_{row['BoxID']}",
            split=split,
        )

    def _mask_file(self, name: str, split: str) -> Path:
        root = self.root if self.masks is None else self.masks
        # published as 16 archives a split, by the first digit of the image's id
        folders = (f"{split}-masks-{name[:1]}", f"{split}-masks", "masks", "")
        for folder in folders:
            if (root / folder / name).is_file():
                return root / folder / name
        raise InputError(
            f"MaskPath: {name}: no such mask in {', '.join(str(root / f) for f in folders)}; "
            "give the folder of the masks (masks), or download it"
        )
