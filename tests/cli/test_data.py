"""`finecaption data`, command by command, and what validate says of thirty damaged records."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finecaption.cli import main
from finecaption.data.convert import TARGETS
from finecaption.data.opening import open_data
from finecaption.data.sources import SOURCE_NAMES
from finecaption.errors import InputError
from finecaption.io import masks

ROOT = Path(__file__).resolve().parents[2]
Run = Any


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; gives its code, what it printed, and what it said beside."""

    def go(*words: object, code: int = 0) -> tuple[str, str]:
        found = main(["data", *map(str, words)])
        shown = capsys.readouterr()
        assert found == code, shown.err
        return shown.out, shown.err

    return go


def record(**changes: Any) -> dict[str, Any]:
    mask = np.zeros((12, 16), bool)
    mask[2:8, 3:9] = True
    made: dict[str, Any] = {
        "image": "a.png", "width": 16, "height": 12, "task": "aarc", "attribute": "Color",
        "text": "A red cup.", "mask": masks.encode_rle(mask), "image_id": "a", "region_id": "1",
    }  # fmt: skip
    made.update(changes)
    return {k: v for k, v in made.items() if v is not ...}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight pictures with three samples each, as our JSONL."""
    folder = tmp_path / "own"
    folder.mkdir()
    lines = []
    for number in range(8):
        Image.new("RGB", (16, 12), (20 * number, 90, 40)).save(folder / f"p{number}.png")
        for more in ({}, {"attribute": "Shape"}, {"task": "rdc", "attribute": ...}):
            lines.append(record(image=f"p{number}.png", image_id=f"p{number}", **more))
    (folder / "x.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def texts(path: Path, form: str | None = None) -> list[tuple[str, str]]:
    return [(s.image_id, s.attribute or s.task) for s in open_data(path, form, deep=True)]


def test_formats_lists_every_reader_and_writer(run: Run) -> None:
    out, _ = run("formats")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[: len(SOURCE_NAMES)]] == list(SOURCE_NAMES)
    assert all(len(line.split()) > 2 for line in lines[: len(SOURCE_NAMES)])
    assert lines[-1] == f"Written: {', '.join(TARGETS)}"


@pytest.mark.parametrize("to", ["parquet", "jsonl", "compositioncap"])
def test_convert(to: str, data: Path, tmp_path: Path, run: Run) -> None:
    target = tmp_path / {"jsonl": "o.jsonl", "compositioncap": "o.json"}.get(to, "o")
    command = ["convert", data, "--from", "jsonl", "--to", to, "--out", target]
    out, err = run(*command)
    assert out == f"{target}\n" and "24 samples" in err
    form = "compositioncap" if to == "compositioncap" else None
    assert sorted(texts(target, form)) == sorted(texts(data))
    if to == "parquet":  # once more: nothing is left to do
        assert "24 samples" in run(*command)[1]
        assert "another settings" in run(*command, "--split", "val", code=2)[1]
    else:
        assert "exists; remove it" in run(*command, code=2)[1]
    run(*command, "--overwrite")


def test_convert_stops_at_what_is_wrong_or_leaves_it_out(
    data: Path, tmp_path: Path, run: Run
) -> None:
    with (data / "x.jsonl").open("a") as stream:
        stream.write("{}\n" + json.dumps(record(image="gone.png")) + "\n")
    command = ["convert", data, "--to", "parquet", "--out", tmp_path / "o"]
    _, err = run(*command, code=2)
    assert re.search(r"error: .*x.jsonl: line 25: image: is missing", err)
    _, err = run(*command, "--skip-bad")
    assert "left out: 2" in err and "line 26: image: gone.png: no such image" in err
    listed = (tmp_path / "o.problems.jsonl").read_text().splitlines()
    assert [json.loads(line)["record"] for line in listed] == ["line 25", "line 26"]
    assert len(texts(tmp_path / "o")) == 24


DAMAGE: list[tuple[Any, str]] = [
    ("{", "is not JSON"),
    ("[]", "record must be a JSON object; got list"),
    ('"text"', "record must be a JSON object; got str"),
    ("nan", "is not JSON"),
    (record(image=...), "image: is missing"),
    (record(image=3), "image: must be the path of an image"),
    (record(image=""), "image: must be the path of an image"),
    (record(image="gone.png"), "image: gone.png: no such image"),
    (record(width=...), "width: is missing"),
    (record(width="16"), "size: must be"),
    (record(width=0), "size: must be"),
    (record(height=-12), "size: must be"),
    (record(task=...), "task: is missing"),
    (record(task="ocr"), "task: must be one of aarc, rdc, cgic"),
    (record(text=...), "text: is missing"),
    (record(text="  "), "text: must be text that is not empty"),
    (record(text=5), "text: must be text"),
    (record(prompt=" "), "prompt: must be text"),
    (record(colour="red"), "colour: is not a field"),
    (record(attribute=...), "attribute: must be text"),
    (record(task="rdc"), "attribute: only task aarc has one"),
    (record(mask=...), "mask: is missing"),
    (record(mask="1,2,3"), "mask: must be COCO RLE"),
    (record(mask={"size": [12, 16]}), "mask: must be COCO RLE"),
    (record(mask={**record()["mask"], "size": [16, 12]}), "mask: RLE size"),
    (record(mask={"size": [12, 16], "counts": "!!"}), "counts string is broken"),
    (record(mask={"size": [12, 16], "counts": [5, 5]}), "do not add up"),
    (record(mask=masks.encode_rle(np.zeros((12, 16), bool))), "mask: is empty"),
    (record(image="broken.png"), "the image is broken"),
    (record(image="text.png"), "not an image that can be read"),
]


def check_page(lines: list[str], said: list[str], file: Path) -> None:
    """The table of docs/damaged-records.md; FINECAPTION_UPDATE=1 writes it anew."""
    whole = json.loads(lines[10])
    rows = ["| line | what is wrong with it | what `validate` says |", "|---:|---|---|"]
    for line in said:
        place, _, told = line.partition(": line ")[2].partition(": ")
        text = lines[int(place) - 1]
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        cell = f"the line is `{text}`"
        if isinstance(found, dict):
            changes = [f"`{k}` is `{json.dumps(v)}`" for k, v in found.items() if v != whole.get(k)]
            changes += [f"no `{k}`" for k in whole if k not in found]
            cell = ", ".join(changes)
        told = told.replace(str(file.parent), "own").replace("|", "\\|").replace("[", "\\[")
        rows.append(f"| {place} | {cell} | {told} |")
    page = ROOT / "docs/damaged-records.md"
    head, begin, rest = page.read_text("utf-8").partition("<!-- table:begin -->\n")
    old, end, tail = rest.partition("<!-- table:end -->")
    table = "\n".join(["", *rows, "", ""])
    if os.environ.get("FINECAPTION_UPDATE") == "1":
        page.write_text(head + begin + table + end + tail, "utf-8")
        old = table
    assert old == table


def test_validate_names_thirty_damaged_records(tmp_path: Path, run: Run) -> None:
    assert len(DAMAGE) == 30
    Image.new("RGB", (16, 12)).save(tmp_path / "a.png")
    noise = np.random.default_rng(0).integers(0, 255, (12, 16, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "broken.png")
    whole = (tmp_path / "broken.png").read_bytes()
    (tmp_path / "broken.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("no image")
    lines = [d if isinstance(d, str) else json.dumps(d) for d, _ in DAMAGE]
    lines.insert(10, json.dumps(record()))  # a good one among them
    file = tmp_path / "x.jsonl"
    file.write_text("\n".join(lines) + "\n")
    out, err = run("validate", file, code=1)
    said = out.splitlines()
    assert len(said) == 30
    for number, (line, (_, message)) in enumerate(zip(said, DAMAGE, strict=True)):
        place = number + 1 + (number >= 10)
        assert line.startswith(f"{file}: line {place}: ") and message in line, line
    assert "30 problems; left out, 1 samples remain" in err
    check_page(lines, said, file)
    out, _ = run("validate", file, "--json", "--quick", code=1)
    assert all(json.loads(line)["file"] == str(file) for line in out.splitlines())
    out, err = run("validate", file, "--skip-bad", code=1)
    assert len(out.splitlines()) == 30 and "1 samples remain" in err


def test_validate_is_content_with_what_is_right(data: Path, run: Run) -> None:
    out, err = run("validate", data)
    assert out == "" and "no problem in 24 samples" in err


def test_stats(data: Path, tmp_path: Path, run: Run) -> None:
    page = tmp_path / "deep/s.html"
    out, _ = run("stats", data, "--out", page)
    assert re.search(r"^samples +24$", out, re.MULTILINE) and "Shape" in out
    assert page.read_text().startswith("<!doctype html>") and "<svg" in page.read_text()
    figures = json.loads(run("stats", data, "--json")[0])
    assert (figures["samples"], figures["pictures"], figures["regions"]) == (24, 8, 8)
    assert figures["mask_box_iou"]["mean"] == 1.0
    assert "must be a file that ends in .html" in run("stats", data, "--out", tmp_path, code=2)[1]


def test_view(data: Path, tmp_path: Path, run: Run) -> None:
    def shown(*more: object) -> list[str]:
        run("view", data, "--out", tmp_path / "v.html", "--count", 3, *more)
        return re.findall(r'alt="(\w+)"', (tmp_path / "v.html").read_text())

    assert shown() == ["p0", "p1", "p2"]
    chosen = {tuple(shown("--seed", seed)) for seed in range(3)}
    assert len(chosen) > 1 and all(len(set(c)) == 3 and list(c) == sorted(c) for c in chosen)


def test_split_keeps_a_picture_in_one_part(data: Path, tmp_path: Path, run: Run) -> None:
    command = ["split", data, "train=1", "val=1", "--out", tmp_path / "s", "--to", "jsonl",
               "--seed", 2]  # fmt: skip
    out, _ = run(*command)
    files = [Path(line) for line in out.splitlines()]
    assert [f.name for f in files] == ["train.jsonl", "val.jsonl"]
    parts = [texts(f) for f in files]
    assert sorted(parts[0] + parts[1]) == sorted(texts(data))
    assert not {i for i, _ in parts[0]} & {i for i, _ in parts[1]} and all(parts)
    splits = {s.split for s in open_data(files[1])}
    assert splits == {"val"}
    assert "at least two" in run("split", data, "a=1", "--out", tmp_path / "t", code=2)[1]


def test_sample(data: Path, tmp_path: Path, run: Run) -> None:
    run("sample", data, "--count", 3, "--out", tmp_path / "p", "--to", "parquet", "--embed")
    found = texts(tmp_path / "p")
    assert len(found) == 9 and len({i for i, _ in found}) == 3
    run("sample", data, "--count", 4, "--by", "sample", "--out", tmp_path / "q", "--to", "parquet")
    assert len(texts(tmp_path / "q")) == 4
    _, err = run("sample", data, "--count", 4, "--by", "word", "--out", tmp_path / "r", code=2)
    assert "must be sample or image" in err


@pytest.mark.parametrize("command", ["convert", "split", "sample"])
def test_only_images_of_the_dataset_are_copied(
    data: Path, tmp_path: Path, run: Run, command: str
) -> None:
    secret = tmp_path / "keys.txt"
    secret.write_text("sk-secret")
    outside = tmp_path / "outside.png"
    Image.new("RGB", (16, 12)).save(outside)
    (data / "link.png").symlink_to(outside)
    (data / "keys.png").write_bytes(secret.read_bytes())
    more = {"convert": (), "split": ("a=1", "b=1"), "sample": ("--count", 1)}[command]
    for place, name in enumerate((str(outside), "../outside.png", "link.png", str(secret))):
        lines = data / "x.jsonl"
        lines.write_text(json.dumps(record(image=name)) + "\n")
        given = (command, data, *more, "--to", "parquet", "--embed")
        _, err = run(*given, "--out", tmp_path / f"o{place}", code=2)
        assert "outside the dataset" in err and "--allow-outside" in err
        made = run(*given, "--skip-bad", "--out", tmp_path / f"s{place}")[1]
        assert "left out: 1" in made
        if name != str(secret) and command == "convert":
            run(*given, "--allow-outside", "--out", tmp_path / f"a{place}")
            run(command, data, "--to", "parquet", "--out", tmp_path / f"p{place}")


def test_only_images_are_copied(tmp_path: Path) -> None:
    from finecaption.data.store.rows import make_row
    from finecaption.types import RegionSample

    (tmp_path / "keys.png").write_text("sk-secret")
    sample = RegionSample(str(tmp_path / "keys.png"), (16, 12), "cgic", "Text.")
    with pytest.raises(InputError, match=r"keys\.png: .*not an image"):
        make_row([sample], embed=True, images=tmp_path)
    assert make_row([sample], embed=False, images=tmp_path).data is None


def test_mix(data: Path, tmp_path: Path, run: Run) -> None:
    for name, count in (("a", 2), ("b", 5)):
        run("sample", data, "--count", count, "--out", tmp_path / name, "--to", "parquet")
    parts = [f"{tmp_path / 'a'}:3", f"{tmp_path / 'b'}:1", f"{tmp_path / 'b'}"]
    out, _ = run("mix", *parts, "--draws", 50)
    rows = [line.split() for line in out.splitlines()]
    assert [r[0] for r in rows[1:4]] == ["a", "b", "b-2"]
    assert [r[5] for r in rows[1:4]] == ["30", "10", "10"]
    assert rows[4][:2] == ["50", "draws,"]
    run("mix", *parts, "--draws", 50, "--out", tmp_path / "m.json")
    from finecaption.data.mixture import load_mixture

    kept = [i.row.image_id for i in load_mixture(tmp_path / "m.json").items()]
    run("mix", *parts, "--draws", 50, "--out", tmp_path / "m", "--to", "parquet")
    assert [i for i, _ in texts(tmp_path / "m")] == kept
    assert "is not a stored dataset" in run("mix", tmp_path / "none:1", code=2)[1]
    assert "weight of a: must be a number" in run("mix", f"{tmp_path / 'a'}:x", code=2)[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["convert", "none", "--to", "parquet", "--out", "o"], "none: no such file or folder"),
        (["convert", ".", "--to", "jsonl", "--out", "o"], "its format cannot be told by its look"),
        (["stats", ".", "--from", "coco"], "unknown dataset format 'coco'"),
        (["convert", "own", "--to", "xml", "--out", "o"], "unknown target 'xml'"),
        (["stats", "own", "--set", "a=1"], "no option 'a'"),
        (["stats", "own", "--set", "a"], "must be NAME=VALUE"),
        (["annotate", "own", "--out", "a.json"], "nothing to ask"),
        (["annotate", "own", "--out", "a.json", "--all", "--attribute", "Hair"], "give one of"),
        (["annotate", "own", "--out", "a.json", "--attribute", "Hiar"], 'did you mean "Hair"'),
        (["annotate", "own", "--out", "a", "--dense", "--everything", "--from", "jsonl"],
         "--everything and --from"),
    ],
)  # fmt: skip
def test_wrong_input_ends_with_code_2_and_a_line(
    words: list[str], message: str, data: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data.parent)
    _, err = run(*words, code=2)
    assert message in err and "Traceback" not in err


def test_annotate_with_a_checkpoint(
    data: Path, tmp_path: Path, tiny_folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: own regions, a model that babbles, the file read back."""
    monkeypatch.chdir(tmp_path)
    command = ["annotate", data, "--from", "jsonl", "--captioner", tiny_folder,
               "--attribute", "color", "--global"]  # fmt: skip
    out, err = run(*command, "--out", "a.json")
    assert out == "a.json\n" and "8 images; 16 questions asked, 0 answered from" in err
    found = texts(tmp_path / "a.json", "compositioncap")
    assert sorted(found) == sorted((f"p{k}", t) for k in range(8) for t in ("Color", "cgic"))
    made = json.loads((tmp_path / "a.json").read_text())[0]["provenance"]["captioner"]
    assert made["kind"] == "finecaption" and len(made["version"]) == 64
    _, err = run(*command, "--out", "b.json", "--cache", "a.json.cache")
    assert "0 questions asked, 16 answered from the cache" in err


COMMANDS = {
    "validate": (),
    "convert": ("--out", "OUT.jsonl", "--to", "jsonl"),
    "view": ("--out", "OUT.html"),
    "stats": (),
}


def coco(folder: Path, size: tuple[int, int], **changes: Any) -> Path:
    """A COCO file of one annotation, for an image of 160 x 120 pixels."""
    (folder / "images").mkdir()
    Image.new("RGB", (160, 120)).save(folder / "images" / "pic.png")
    thing = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [40, 30, 60, 60]}
    thing |= {"segmentation": [[80, 60, 200, 60, 200, 180, 80, 180]], **changes}
    image = {"id": 1, "file_name": "pic.png", "width": size[0], "height": size[1]}
    categories = [{"id": 1, "name": "thing"}]
    file = folder / "coco.json"
    file.write_text(
        json.dumps({"images": [image], "annotations": [thing], "categories": categories})
    )
    return file


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("size", [(320, 240), (320, 200)])
def test_all_commands_agree_on_images_of_another_size(
    tmp_path: Path, run: Run, command: str, size: tuple[int, int]
) -> None:
    """A copy of another size is scaled to by all; of another shape, it is refused by all."""
    file = coco(tmp_path, size)
    more = [text.replace("OUT", str(tmp_path / "out")) for text in COMMANDS[command]]
    copy = size == (320, 240)
    code = 0 if copy else 1 if command == "validate" else 2
    out, err = run(command, file, *more, "--from", "coco-instances", code=code)
    assert ("160 x 120 pixels, but the record is for 320 x 200" in out + err) != copy
    if copy and command == "convert":
        (line,) = (tmp_path / "out.jsonl").read_text("utf-8").splitlines()
        record = json.loads(line)
        assert (record["width"], record["height"]) == (160, 120)
        assert masks.box_from_mask(masks.decode_rle(record["mask"])) == (40, 30, 100, 90)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_of_crowds_only_says_so(tmp_path: Path, run: Run, command: str) -> None:
    file = coco(tmp_path, (160, 120), iscrowd="1")
    more = [text.replace("OUT", str(tmp_path / "out")) for text in COMMANDS[command]]
    code = 1 if command == "validate" else 0
    _, err = run(command, file, *more, "--from", "coco-instances", code=code)
    assert "no sample is left: 1 crowds passed over" in err
