"""Short fuzzing of every parser: each gives a sound value or an InputError, whatever comes in."""

from __future__ import annotations

import itertools
import json
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from finecaption.errors import InputError
from finecaption.io import geometry, masks

from .case import Case
from .drawing import SIZE, image
from .runner import Result

KIND = "fuzzing"
_BATCH = 25  # examples between two looks at the clock

_numbers = st.one_of(
    st.integers(-200, 400), st.floats(-200, 400), st.floats(), st.integers(),
    st.sampled_from([0, 1, 0.5, 160, 120, 2**31, 2**63, 10**400, True, None]),
)  # fmt: skip
_scalars = st.one_of(_numbers, st.text(max_size=8), st.none(), st.booleans())
_json = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
_lists = st.recursive(_numbers, lambda inner: st.lists(inner, max_size=9), max_leaves=30)
_counts = st.one_of(
    st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=30), st.binary(max_size=9),
    st.lists(st.integers(-5, 20_000), max_size=9), _json,
)  # fmt: skip
_rle = st.fixed_dictionaries(
    {"size": st.one_of(st.just([120, 160]), st.lists(st.integers(-1, 200), max_size=3), _json)},
    optional={"counts": _counts},
)
_forms = {
    "mask": st.one_of(_rle, _json), "polygon": _lists, "box": st.one_of(_lists, _json),
    "points": st.one_of(_lists, _json), "label": _json, "id": _json,
}  # fmt: skip
_regions = st.one_of(st.fixed_dictionaries({}, optional=_forms), _json)
_lines = st.one_of(
    st.fixed_dictionaries(
        {"image": st.one_of(st.just("pic.png"), _json)},
        optional={**_forms, "regions": st.lists(_regions, max_size=3) | _json, "meta": _json},
    ),
    _json,
)
_records = st.one_of(
    st.fixed_dictionaries(
        {"image": st.just("pic.png"), "width": st.just(160) | _json, "height": st.just(120) | _json,
         "task": st.sampled_from(["aarc", "rdc", "cgic"]) | _json, "text": st.text(max_size=5) | _json},
        optional={"mask": _rle | _json, "attribute": st.text(max_size=5) | _json, "split": _json,
                  "region_id": _json, "prompt": _json},
    ),
    _json,
)  # fmt: skip
_texts = st.text(st.sampled_from("0123456789.,:+-einfa \0é"), max_size=24)


def _rle_decoded(value: Any, folder: Path) -> None:
    mask = masks.decode_rle(value)
    assert list(mask.shape) == [int(side) for side in value["size"]]
    assert np.array_equal(masks.decode_rle(masks.encode_rle(mask)), mask)


def _polygon_decoded(value: Any, folder: Path) -> None:
    mask = masks.decode_polygons(value, SIZE)
    assert mask.shape == SIZE[::-1] and mask.any()


def _box_checked(value: Any, folder: Path) -> None:
    x0, y0, x1, y1 = geometry.check_box(value, SIZE)
    assert 0 <= x0 < x1 <= 160 and 0 <= y0 < y1 <= 120


def _point_checked(value: Any, folder: Path) -> None:
    x, y, _ = geometry.check_point(value, SIZE)
    assert 0 <= x < 160 and 0 <= y < 120


def _text_parsed(value: str, folder: Path) -> None:
    for parse in (geometry.parse_box, geometry.parse_point):
        try:
            assert np.isfinite(np.asarray(parse(value)[:2], float)).all()
        except InputError:
            continue


def _line_read(value: Any, folder: Path) -> None:
    from finecaption.bulk.jobs import Bad, load
    from finecaption.bulk.manifests import manifest_jobs

    file = folder / "m.jsonl"
    file.write_text(json.dumps(value, default=repr) + "\n")
    for job in manifest_jobs(file):
        if not isinstance(job, Bad):
            for region in load(job).regions:
                assert region is not None


def _record_read(value: Any, folder: Path) -> None:
    from finecaption.data.record import from_record, to_record

    sample = from_record(value)
    if sample.mask is not None:
        region = sample.region()
        assert region.mask.any() and region.size == sample.size
    assert from_record(to_record(sample)).text == sample.text


def _field_read(value: Any, folder: Path) -> None:
    from pydantic import ValidationError

    from finecaption.server.region_field import to_region
    from finecaption.server.schemas import RegionModel

    try:
        given_region = RegionModel.model_validate_json(json.dumps(value, default=repr))
    except ValidationError:
        return
    to_region(given_region, SIZE, max_points=16)


def _json_read(value: str, folder: Path) -> None:
    from finecaption.data.sources.reading import json_items

    file = folder / "d.json"
    file.write_text(value, "utf-8", errors="surrogatepass")
    for item in json_items(file):
        assert item.place is not None


PARSERS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any, Path], None]]] = {
    "RLE": (_rle, _rle_decoded), "polygons": (_lists, _polygon_decoded),
    "boxes": (st.one_of(_lists, _json), _box_checked), "clicks": (st.one_of(_lists, _json), _point_checked),
    "typed regions": (_texts, _text_parsed), "manifests": (_lines, _line_read),
    "JSONL records": (_records, _record_read), "region fields of the server": (_regions, _field_read),
    "JSON files": (st.text(st.sampled_from('[]{},:"0123456789.eE+-truefalsn \\u'), max_size=40), _json_read),
}  # fmt: skip


def fuzz(seconds: float, folder: Path, first: int = 0) -> Iterator[tuple[Result, int]]:
    """What comes of each parser, and how many inputs it had.

    Args:
        seconds: for all of them together.
        folder: an empty one, for files.
        first: seed; the same draws come in the same order, as many as there is time for.
    """
    image().save(folder / "pic.png")
    for name, (strategy, check) in PARSERS.items():
        end = time.monotonic() + seconds / len(PARSERS)
        tried = [0]
        result = Result(Case(KIND, name, lambda place: None), "right")
        for number in itertools.count(first):
            try:
                _batch(strategy, check, folder, number, tried)
            # whatever a parser raises is what is looked for
            except Exception as error:
                told = "".join(traceback.format_exception_only(error)).strip()
                notes = " ".join(getattr(error, "__notes__", ()))
                outcome = "silent error" if isinstance(error, AssertionError) else "traceback"
                result = Result(result.case, outcome, f"{told[:300]} {notes[:500]}")  # type: ignore[arg-type] # one of them
                break
            if time.monotonic() >= end:
                break
        yield result, tried[0]


def _batch(
    strategy: st.SearchStrategy[Any], check: Callable[[Any, Path], None], folder: Path, number: int,
    tried: list[int],
) -> None:  # fmt: skip
    @settings(
        max_examples=_BATCH, deadline=None, database=None, phases=[Phase.generate],
        derandomize=False, suppress_health_check=list(HealthCheck), print_blob=False,
    )  # fmt: skip
    @seed(number)
    @given(strategy)
    def one(value: Any) -> None:
        tried[0] += 1
        try:
            check(value, folder)
        except InputError:
            return

    one()
