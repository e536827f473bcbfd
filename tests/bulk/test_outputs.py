"""What a run writes beside its records: sidecars, COCO, CSV, HTML."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

from finecaption.bulk import Layout, open_jobs
from finecaption.errors import InputError
from tests.bulk.running import Draw, Run, ids, lines, run_settings


def test_sidecars_keep_names(run: Run, tmp_path: Path, pictures: Path) -> None:
    summary = run("texts", "txt,png")
    root = tmp_path / "texts"
    assert summary.described == 5
    texts = sorted(str(p.relative_to(root)) for p in root.rglob("*.txt"))
    assert texts == ["a.txt", "b.txt", "sub/a.jpg.txt", "sub/a.png.txt", "sub/ünï/日本.txt"]
    drawn = sorted(str(p.relative_to(root)) for p in root.rglob("*.png"))
    assert drawn == [name.replace(".txt", ".annotated.png") for name in texts]
    assert (root / "a.txt").read_text("utf-8").startswith("Color 48 of ")
    both = (root / "b.txt").read_text("utf-8")
    assert both.startswith("Region 1 (box 0,0,4,4)\nColor: Color 16 of")
    assert "\n\nRegion 2 (box 5,5,9,9)\n" in both
    assert not list(root.rglob(".*.part"))
    # beside the pictures, they are not taken for pictures
    source = [job.id for job in open_jobs([str(pictures)])]
    run(str(pictures), "txt,png")
    assert (pictures / "sub/ünï/日本.txt").exists()
    assert [job.id for job in open_jobs([str(pictures)])] == source


def test_texts_that_are_there(run: Run, tmp_path: Path) -> None:
    root = tmp_path / "texts"
    root.mkdir()
    (root / "a.txt").write_text("Mine.\n")
    summary = run("texts", "txt")
    assert summary.failed == 5 and (root / "a.txt").read_text() == "Mine.\n"
    assert (
        "is there already" in {r["id"]: r["error"] for r in lines(root / "errors.jsonl")}["a.jpg"]
    )
    for name in (".captions.records.jsonl", "b.txt"):
        (root / name).unlink()
    summary = run("texts", "txt", on_existing="skip")
    assert summary.passed == 4 and (root / "a.txt").read_text() == "Mine.\n"
    assert (root / "b.txt").exists()
    run("texts", "txt", on_existing="append")
    first, second, *more = (root / "a.txt").read_text().splitlines()
    assert first == "Mine." and second.startswith("Color 48") and not more
    run("texts", "txt", on_existing="overwrite")
    assert (root / "a.txt").read_text() == f"{second}\n"


def test_a_kill_between_record_and_text(run: Run, tmp_path: Path) -> None:
    root = tmp_path / "texts"
    run("texts", "txt")
    run("texts", "txt", on_existing="append")
    journal = root / ".captions.records.jsonl"
    twice = (root / "a.txt").read_text()
    assert len(twice.splitlines()) == 2
    # killed after the record, before the file got its name
    (root / "a.txt").rename(root / ".a.txt.part")
    (root / "a.txt").write_text(twice.splitlines()[0] + "\n")
    run("texts", "txt", resume=True)
    assert (root / "a.txt").read_text() == twice
    # killed before the record: the prepared file does not count
    (root / ".a.txt.part").write_text("stale")
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:5]))
    for path in root.rglob("*.txt"):
        path.write_text(path.read_text().splitlines()[0] + "\n")
    run("texts", "txt", resume=True)
    assert (root / "a.txt").read_text() == twice


def test_names_that_clash_or_are_not_names(run: Run, tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "x.png", 1)
    line = {"image": "x.png", "box": [1, 1, 5, 5]}
    made = [line, {**line, "id": "../../up"}, {**line, "id": "n" * 300}, {**line, "id": "x"}]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in made))
    run("texts", "txt", source=tmp_path / "m.jsonl")
    root = tmp_path / "texts"
    names = sorted(str(p.relative_to(root)) for p in root.rglob("*.txt"))
    assert names[0] == "_/_/up.txt" and names[2:] == ["x.2.txt", "x.txt"]
    assert names[1].startswith("nnn") and len(names[1]) < 210


# pycocotools hands numpy an array type of the time before numpy 2
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_coco_loads_in_pycocotools(run: Run, tmp_path: Path, pictures: Path) -> None:
    from pycocotools.coco import COCO

    run("out/c.json", settings=run_settings("Color", "Hair", dense=True, whole=True))
    coco = COCO(str(tmp_path / "out/c.json"))
    assert len(coco.imgs) == 5 and len(coco.anns) == 6
    (number,) = [key for key, image in coco.imgs.items() if image["file_name"] == "a.jpg"]
    assert coco.imgs[number]["caption"].startswith("all ")
    (annotation,) = coco.loadAnns(coco.getAnnIds(imgIds=[number], areaRng=[40, 50]))
    assert coco.annToMask(annotation).sum() == 48 == annotation["area"]
    assert annotation["bbox"] == [2, 3, 8, 6]
    assert list(annotation["captions"]) == ["Color", "Hair"] and annotation["dense"]
    assert not (tmp_path / "out/c.jsonl").exists()
    # it is a source, too
    run("again/c.jsonl", source=tmp_path / "out/c.json", on_existing=None)
    assert "no such image" in lines(tmp_path / "again/errors.jsonl")[0]["error"]


def test_csv(run: Run, tmp_path: Path) -> None:
    run("out/c.csv", settings=run_settings("Color", whole=True))
    with (tmp_path / "out/c.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 6 + 5
    first, whole = rows[:2]
    assert [first[key] for key in ("id", "region", "x0", "y1", "global")] == [
        "a.jpg", "1", "2", "9", "",
    ]  # fmt: skip
    assert first["Color"].startswith("Color 48 of") and whole["global"].startswith("all ")
    assert rows[-1]["id"] == "sub/ünï/日本.png"


def test_html_holds_every_picture(run: Run, tmp_path: Path, pictures: Path, draw: Draw) -> None:
    for number in range(30):
        draw(pictures / "more" / f"{number:02}.png", number)
    draw(pictures / "<" / "script><b>.png", 31)  # its id has an end tag
    run("out/c.html")
    page = (tmp_path / "out/c.html").read_text("utf-8")
    block = page.split('id="records">')[1].split("</script>")[0]
    shown = [json.loads(line) for line in block.split("\n") if line]
    assert len(shown) == 36 and all(item["data"] for item in shown)
    assert "<b>" not in page and any("</script>" in item["id"] for item in shown)
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    outlined = next(item for item in shown if item["id"] == "a.jpg")["said"][0]
    assert outlined["path"].startswith("M") and outlined["lines"][0][0] == "Color"


def test_names_that_are_no_utf8(run: Run, tmp_path: Path, pictures: Path) -> None:
    raw = os.fsencode(pictures) + b"/caf\xe9.png"
    with open(raw, "wb") as stream:
        stream.write((pictures / "b.png").read_bytes())
    run("out/c.jsonl", "jsonl,csv,coco,txt,html")
    found = [name for name in ids(tmp_path / "out/c.jsonl") if name.startswith("caf")]
    assert [os.fsencode(name) for name in found] == [b"caf\xe9.png"]
    assert os.path.exists(os.fsencode(tmp_path) + b"/out/c/caf\xe9.txt")
    assert b"caf\xe9.png" in (tmp_path / "out/c.csv").read_bytes()
    run("out/c.jsonl", "jsonl,csv,coco,txt,html", resume=True)
    assert len(ids(tmp_path / "out/c.jsonl")) == 6


@pytest.mark.parametrize(
    ("out", "formats", "says"),
    [
        ("c.jsonl", "yaml", "'yaml' is unknown"),
        ("c.txt", "", "must be a folder"),
        ("folder.csv", "", "is a folder"),
    ],
)
def test_outputs_that_cannot_be(tmp_path: Path, out: str, formats: str, says: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match=says):
        Layout.of(tmp_path / out, formats.split(",") if formats else [])
