"""`finecaption batch`, end to end on a random tiny model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finecaption.cli.batch import progress_line

from .conftest import run_caption, run_command

NOISE = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures, one with a mask, and a broken one; answers are short."""
    monkeypatch.setattr("finecaption.decoding.MAX_NEW_TOKENS", 3, raising=True)
    root = tmp_path / "pictures"
    root.mkdir()
    for number, name in enumerate(("a.png", "b.png")):
        Image.fromarray(np.roll(NOISE, 9 * number, 1)).save(root / name)
    mask = np.zeros((32, 48), np.uint8)
    mask[4:20, 10:30] = 255
    Image.fromarray(mask).save(root / "a.mask.png")
    (root / "c.png").write_bytes(b"")
    return root


def test_a_folder(
    folder: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out" / "captions.jsonl"
    asked = [folder, "--out", out, "--attribute", "colour", "--format", "csv,txt",
             "--model", tiny_folder]  # fmt: skip
    short = ["--max-new-tokens", "3"]
    code, said, err = run_command(capsys, "batch", *asked, *short)
    assert code == 1 and "2 images described, 2 regions" in err and "errors.jsonl" in err
    assert said.split() == [str(out), str(out.with_suffix(".csv")), str(out.with_suffix(""))]
    first, second = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert first["regions"][0]["box"] == [10, 4, 30, 20] and first["model"] == "tiny"
    assert list(second["regions"][0]["captions"]) == ["Color"]
    # the same answers as one picture at a time gives
    alone = [folder / "a.png", "--mask", folder / "a.mask.png", "--attribute", "Color", "--json"]
    code, said, _ = run_caption(capsys, tiny_folder, *alone, *short)
    assert code == 0
    (region,) = json.loads(said)["regions"]
    assert region == {k: v for k, v in first["regions"][0].items() if k != "id"}
    assert (out.with_suffix("") / "a.txt").read_text("utf-8").strip() == region["captions"]["Color"]
    # again: refused; with --resume, there is nothing left; mended, all is well
    code, _, err = run_command(capsys, "batch", *asked, *short)
    assert code == 2 and "is there already" in err
    (folder / "c.png").unlink()
    code, _, err = run_command(capsys, "batch", *asked, *short, "--resume")
    assert code == 0 and "2 were already there" in err
    code, _, err = run_command(capsys, "batch", *asked, "--resume", "--seed", "1")
    assert code == 2 and "decoding seed: was not set, is 1" in err and "max_new_tokens" in err


def test_everything_finds_regions(
    folder: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    found = [np.eye(32, 48) > 0, np.ones((32, 48), bool)]
    monkeypatch.setattr(
        "finecaption.bulk.engine.find_everything", lambda captioner, image: (image, found)
    )
    asked = [folder / "*.png", "--out", tmp_path / "c.jsonl", "--attribute", "Color"]
    asked += ["--everything", "--max-new-tokens", "2", "--model", tiny_folder]
    code, _, _ = run_command(capsys, "batch", *asked)
    assert code == 1
    first, second = map(json.loads, (tmp_path / "c.jsonl").read_text("utf-8").splitlines())
    assert len(first["regions"]) == 1, "its own mask counts"
    assert [region["id"] for region in second["regions"]] == ["1", "2"]
    assert second["regions"][0]["box"] == [0, 0, 32, 32]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("pictures",), "Missing option '--out'"),
        (("pictures", "--out", "c.jsonl", "--box", "1,1,5,5"), "No such option"),
        (("pictures", "--out", "c.jsonl", "--format", "xml"), "'xml' is unknown"),
        (("pictures", "--out", "c.jsonl", "--batch", "0"), "--batch"),
        (("pictures", "--out", "c.jsonl", "--engine", "spark"), "--engine"),
        (("pictures", "--out", "c.jsonl", "--temperature", "-1"), "temperature"),
        (("pictures", "--out", "c.jsonl", "--length", "endless"), "length"),
        (("pictures", "--out", "c.jsonl", "--on-existing", "merge"), "--on-existing"),
        (("pictures/*.tif", "--out", "c.jsonl"), "no image"),
        (("none.jsonl", "--out", "c.jsonl"), "no such file"),
        (("refcoco:none", "--out", "c.jsonl"), "no such file"),
        (("pictures", "--out", "c.jsonl", "--images", "none"), "is not a folder"),
        (("pictures", "--out", "pictures/a.png/c.jsonl"), "cannot be written"),
    ],
)
def test_bad_input_is_told_and_ends_with_2(
    folder: Path,
    tiny_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    says: str,
) -> None:
    monkeypatch.chdir(folder.parent)
    before = sorted(folder.parent.iterdir())
    code, out, err = run_command(capsys, "batch", *arguments, "--model", tiny_folder)
    assert code == 2 and says in " ".join(err.split()) and not out
    assert sorted(folder.parent.iterdir()) == before


def test_left_out_is_told_apart_from_no_regions(
    folder: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An image of which every region is left out is not described as a whole."""
    images = [{"id": n, "file_name": name} for n, name in ((1, "a.png"), (2, "b.png"))]
    crowd = {"id": 1, "image_id": 1, "iscrowd": 1, "segmentation": [[1, 1, 9, 1, 9, 9]]}
    file = folder / "coco.json"
    asked = [file, "--attribute", "Color", "--model", tiny_folder, "--max-new-tokens", "2"]
    for given, expected in (([], 0), ([crowd], 1)):
        file.write_text(json.dumps({"images": images, "annotations": given}))
        out = tmp_path / f"{expected}.jsonl"
        code, _, err = run_command(capsys, "batch", *asked, "--out", out)
        records = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
        assert code == expected
        assert [record["id"] for record in records] == ["a.png", "b.png"][expected:]
        assert ("1 left out with all their regions" in err) == bool(expected)
        assert ("1 crowd annotations passed over (annotations[0])" in err) == bool(expected)
    (told,) = map(json.loads, (tmp_path / "errors.jsonl").read_text("utf-8").splitlines())
    assert told["id"] == "a.png" and told["left_out"] is True and "is a crowd" in told["error"]


def test_the_old_spelling_still_works_and_warns(
    folder: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [folder / "a.png", f"--out={tmp_path / 'c.jsonl'}", "--attribute", "Color"]
    code, said, err = run_caption(capsys, tiny_folder, *asked, "--max-new-tokens", "2")
    assert code == 0 and "caption --out is deprecated; use: finecaption batch" in err
    assert len(Path(said.strip()).read_text("utf-8").splitlines()) == 1


def test_one_image_is_not_many(
    folder: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run_caption(capsys, tiny_folder, folder)
    assert code == 2 and f"finecaption batch {folder} --out" in err
    code, _, err = run_caption(capsys, tiny_folder, folder / "a.png", folder / "b.png")
    assert code == 2


def test_the_line_of_progress() -> None:
    from finecaption.bulk import BatchSummary

    assert progress_line(BatchSummary()) == "0 images"
    now = BatchSummary(
        total=5000, passed=1000, described=190, failed=10, regions=7000, seconds=200.0
    )
    assert progress_line(now) == "1,200 of 5,000 images, 35.0 regions/s, 1:03:20 left, 10 failed"
    now.total = 1_000_000
    assert "11.5 days left" in progress_line(now)
