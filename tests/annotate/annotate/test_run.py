"""Jobs, cache, the run, its file, and going on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finecaption.data.lines import Lines
from finecaption.data.problems import Problems
from finecaption.data.sources import open_source
from finecaption.errors import InputError
from finecaption.request import Request
from finecaption.results import CaptionResult, caption_of
from finecaption_annotate.annotate import (
    LocalCaptioner,
    annotate,
    folder_jobs,
    sample_jobs,
)
from finecaption_annotate.annotate.cache import Cache, cache_key
from finecaption_annotate.annotate.captioners import Ask, CaptionerError

from .conftest import Parrot


def test_jobs_of_a_folder(pictures: Path) -> None:
    jobs = {job.image_id: job for job in folder_jobs(pictures, licence="CC0")}
    assert list(jobs) == ["c", "d", "tief/b", "ä"]
    told = {name: (job.made, [k for k, _ in job.regions]) for name, job in jobs.items()}
    assert told == {
        "c": ("transparency", ["1"]),
        "d": ("none", []),
        "tief/b": ("mask files", ["1", "2"]),
        "ä": ("mask files", ["1"]),
    }
    assert jobs["d"].licence == "CC0" and jobs["c"].size == (40, 30)


def test_everything_is_asked_only_where_nothing_is_given(pictures: Path) -> None:
    def find(picture: Image.Image) -> list[np.ndarray]:
        return [np.ones((picture.height, picture.width), bool)]

    made = {job.image_id: job.made for job in folder_jobs(pictures, find)}
    assert made == {"c": "transparency", "d": "everything", "tief/b": "mask files",
                    "ä": "mask files"}  # fmt: skip


def test_what_is_wrong_in_a_folder_is_named(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        list(folder_jobs(tmp_path / "none"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no picture"):
        list(folder_jobs(tmp_path / "empty"))
    Image.new("L", (40, 30)).save(pictures / "d.mask.png")
    with pytest.raises(InputError, match="d.mask.png: the mask is empty"):
        list(folder_jobs(pictures))
    (pictures / "d.mask.png").unlink()
    Image.new("L", (7, 7), 255).save(pictures / "gone.mask.png")
    with pytest.raises(InputError, match="gone.mask.png: the picture .* is not there"):
        list(folder_jobs(pictures))


def test_pictures_that_cannot_be_used_are_left_out_and_named(pictures: Path) -> None:
    (pictures / "d.png").write_text("no image")
    Image.new("L", (7, 7), 255).save(pictures / "c.mask.png")
    Image.new("L", (7, 7), 255).save(pictures / "gone.mask.png")
    problems = Problems("skip")
    assert [job.image_id for job in folder_jobs(pictures, problems=problems)] == ["tief/b", "ä"]
    assert [Path(p.file).name for p in problems.found] == ["gone.mask.png", "c.png", "d.png"]


def test_the_file_reads_back_and_says_where_texts_are_from(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out/a.json"
    summary = annotate(
        folder_jobs(pictures, licence="CC0"), Parrot(), out,
        attributes=("Color", "Hair"), dense=True, whole=True,
    )  # fmt: skip
    assert (summary.pictures, summary.asked, summary.cached) == (4, 4 * 3 + 4, 0)
    assert summary.not_applicable == 4
    records = {record["image_id"]: record for record in json.loads(out.read_text("utf-8"))}
    own = records["ä"]["provenance"]
    assert own["captioner"] == {"kind": "parrot", "name": "parrot"} and own["prompts"] == "1"
    assert own["regions"] == "mask files" and own["tool"].startswith("finecaption ")
    said = records["ä"]["entities"][0]["provenance"]
    assert set(said) == {"Color", "Hair", "rdc"} and said["Hair"]["applies"] is False
    assert said["Color"]["at"].endswith("Z") and said["Color"]["tries"] == 1
    samples = list(open_source("compositioncap", out, deep=True))
    found = sorted((s.image_id, s.region_id or "", s.attribute or s.task) for s in samples)
    assert found == sorted(
        [(name, "", "cgic") for name in records]
        + [(name, region, kind)
           for name, region in (("ä", "1"), ("tief/b", "1"), ("tief/b", "2"), ("c", "1"))
           for kind in ("Color", "rdc")]
    )  # fmt: skip
    texts = {(s.image_id, s.region_id, s.attribute): s.text for s in samples}
    assert texts["tief/b", "2", "Color"] == "Color of 50" and samples[0].licence == "CC0"


def test_an_interrupted_run_asks_nothing_twice(pictures: Path, tmp_path: Path) -> None:
    out, asked, kw = tmp_path / "a.json", 0, {"attributes": ("Color", "Shape"), "whole": True}
    total = 4 * 2 + 4
    for fails_after in (0, 1, 4, 5):
        parrot = Parrot(fails_after)
        with pytest.raises(CaptionerError, match="tired"):
            annotate(folder_jobs(pictures), parrot, out, **kw)  # type: ignore[arg-type]
        asked += parrot.asked
        assert not out.exists()
    parrot = Parrot()
    annotate(folder_jobs(pictures), parrot, out, **kw)  # type: ignore[arg-type]
    assert asked + parrot.asked == total
    assert len(json.loads(out.read_text("utf-8"))) == 4 and not Lines.hidden(out).exists()
    # another run on the same pictures pays for nothing
    again = annotate(
        folder_jobs(pictures), Parrot(0), tmp_path / "b.json", cache=tmp_path / "a.json.cache",
        **kw,  # type: ignore[arg-type]
    )  # fmt: skip
    assert (again.asked, again.cached) == (0, total)
    with pytest.raises(InputError, match="a.json: exists"):
        annotate(folder_jobs(pictures), parrot, out, **kw)  # type: ignore[arg-type]


def test_a_half_written_record_is_written_again(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.json"
    with pytest.raises(CaptionerError):
        annotate(folder_jobs(pictures), Parrot(2), out, attributes=("Color",), whole=True)
    hidden = Lines.hidden(out)
    hidden.write_bytes(hidden.read_bytes()[:-7])
    annotate(folder_jobs(pictures), Parrot(), out, attributes=("Color",), whole=True)
    assert [r["image_id"] for r in json.loads(out.read_text("utf-8"))] == ["c", "d", "tief/b", "ä"]


def test_other_settings_do_not_go_on_with_a_begun_file(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(CaptionerError):
        annotate(folder_jobs(pictures), Parrot(1), tmp_path / "a.json", whole=True)
    with pytest.raises(InputError, match="begun with other settings"):
        annotate(folder_jobs(pictures), Parrot(name="b"), tmp_path / "a.json", whole=True)
    with pytest.raises(InputError, match="nothing is asked"):
        annotate(folder_jobs(pictures), Parrot(), tmp_path / "b.json")


def test_pictures_without_an_answer_can_be_left_out(pictures: Path, tmp_path: Path) -> None:
    summary = annotate(
        folder_jobs(pictures), Parrot(3), tmp_path / "a.json", whole=True, skip_bad=True
    )
    assert summary.pictures == 3
    (problem,) = summary.problems
    assert problem.file.endswith("ä.png") and "tired" in problem.what


def test_regions_of_a_data_set_are_taken(pictures: Path, tmp_path: Path) -> None:
    annotate(folder_jobs(pictures), Parrot(), tmp_path / "a.json", attributes=("Color", "Shape"))
    jobs = list(sample_jobs(open_source("compositioncap", tmp_path / "a.json")))
    assert [(j.image_id, len(j.regions)) for j in jobs] == [("c", 1), ("tief/b", 2), ("ä", 1)]
    assert all(j.made == "data set" for j in jobs)


def test_the_cache_tells_answers_apart(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "deep/cache")
    keys = {
        cache_key({"m": m}, v, p, c, q)
        for m in "ab" for v in "12" for p in "pq" for c in ("", "x") for q in ("Color", "rdc")
    }  # fmt: skip
    assert len(keys) == 32
    cache.put("k", {"text": "ü"})
    cache.put("k", {"text": None})
    cache.close()
    cache = Cache(tmp_path / "deep/cache")
    assert cache.get("k") == {"text": None} and cache.get("x") is None and len(cache) == 1
    cache.close()
    (tmp_path / "no").write_text("no cache" * 99)
    with pytest.raises(InputError, match="is not a cache"):
        Cache(tmp_path / "no")


# Captioners and segmenters that are handed in --------------------------------------------------


class _Captioner:
    """Notes what it is asked."""

    name, capabilities = "stand-in", frozenset()
    identity = {"name": "stand-in", "kind": "finecaption", "sha256": "abc", "settings": {}}

    def __init__(self, said: str | None = None) -> None:
        self.requests: list[Request] = []
        self.said = said

    def caption_batch(
        self, requests: Sequence[Request], *, progress: object = None
    ) -> list[CaptionResult | InputError]:
        self.requests += requests
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> CaptionResult | InputError:
        if request.questions.whole:
            return CaptionResult((), "all")
        (region,), names = request.regions, request.questions.region_names
        if region.area == 1:
            return InputError("regions[0]: too small")
        texts = ["long" if n == "dense" else self.said or f"{n} {region.area}" for n in names]
        return CaptionResult((caption_of(region, names, texts),))


def test_a_captioner_is_asked_a_request_a_region() -> None:
    mask, other = np.eye(4, dtype=bool), np.ones((4, 4), bool)
    asks = [Ask(mask, "aarc", "Color"), Ask(None, "cgic"), Ask(mask, "rdc"),
            Ask(mask, "aarc", "Hair"), Ask(other, "aarc", "Shape")]  # fmt: skip
    captioner, image = _Captioner(), Image.new("RGB", (4, 4))
    annotator = LocalCaptioner(captioner)
    told = dict(annotator.answer(image, asks))
    assert [told[k].text for k in range(5)] == ["Color 4", "all", "long", "Hair 4", "Shape 16"]
    assert [request.questions.names for request in captioner.requests] == [
        ("Color", "Hair", "dense"), ("global",), ("Shape",),
    ]  # fmt: skip
    assert all(request.image is image for request in captioner.requests), "it is encoded once"
    assert annotator.identity == {"kind": "finecaption", "model": "stand-in", "version": "abc"}


def test_what_does_not_apply_and_what_cannot_be_used() -> None:
    image, mask, dot = Image.new("RGB", (4, 4)), np.eye(4, dtype=bool), np.zeros((4, 4), bool)
    dot[0, 0] = True
    said_not_to_apply = LocalCaptioner(_Captioner("It has no hair."))
    assert dict(said_not_to_apply.answer(image, [Ask(mask, "aarc", "Hair")]))[0].text is None
    with pytest.raises(InputError, match="too small"):
        list(LocalCaptioner(_Captioner()).answer(image, [Ask(dot, "aarc", "Hair")]))
