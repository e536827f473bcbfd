"""Regions of another copy of an image, and the keys of jobs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from finecaption.bulk.jobs import BatchJob, RegionSpec, key_of
from finecaption.io.masks import encode_rle
from finecaption.types import Region, RegionPrompt

MASK = np.zeros((8, 12), bool)
MASK[1:4, 1:5] = True
FORMS: dict[str, Any] = {
    "polygon": {"polygon": [[1, 1, 5, 1, 5, 4, 1, 4]]},
    "RLE": encode_rle(MASK),
    "box": {"box": [1, 1, 5, 4], "points": None},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(
    ("size", "box"), [((12, 8), (1, 1, 5, 4)), ((24, 16), (2, 2, 10, 8)), ((6, 4), (0, 0, 3, 2))]
)
def test_a_region_is_scaled_to_the_copy_of_the_image_that_is_there(
    form: Any, size: tuple[int, int], box: tuple[int, ...]
) -> None:
    found = RegionSpec("1", form, (12, 8)).resolve(size)
    if isinstance(found, RegionPrompt):
        assert found.box == pytest.approx([side * size[0] / 12 for side in (1, 1, 5, 4)])
    else:
        assert isinstance(found, Region) and found.size == size
        assert np.abs(np.subtract(found.box, box)).max() <= (0 if size != (6, 4) else 1)


def test_a_key_is_of_name_and_place() -> None:
    job = BatchJob("a", "a.png", place="line 2")
    assert job.key == key_of("a", "line 2") == BatchJob("a", "b.png", place="line 2").key
    assert len({job.key, key_of("a", ""), key_of("b", "line 2"), key_of("line 2", "a")}) == 4
    assert 0 <= job.key < 1 << 64
