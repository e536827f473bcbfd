"""`finecaption caption` end to end on a random tiny model, and every kind of bad input."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.cli import main
from finecaption.io.masks import decode_rle

from .conftest import run_caption

SIZE = (48, 32)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures and masks, good and bad."""
    root = tmp_path_factory.mktemp("pictures")
    values = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    picture = Image.fromarray(values)
    picture.save(root / "good.png")
    picture.convert("CMYK").save(root / "cmyk.jpg")
    picture.convert("P").save(root / "palette.png")
    Image.fromarray(values[..., 0].astype(np.uint16) * 257).save(root / "deep.png")
    turned = picture.getexif()
    turned[0x0112] = 6
    picture.save(root / "turned.jpg", exif=turned)
    (root / "empty.png").write_bytes(b"")
    (root / "broken.png").write_bytes((root / "good.png").read_bytes()[:200])
    (root / "text.png").write_text("no image")
    Image.new("1", (20000, 20000)).save(root / "huge.png")
    mask = np.zeros((32, 48), np.uint8)
    mask[4:20, 10:30] = 255
    Image.fromarray(mask).save(root / "mask.png")
    Image.fromarray(mask.T.copy()).save(root / "turned-mask.png")
    Image.new("L", SIZE).save(root / "no-mask.png")
    return root


@pytest.fixture(autouse=True)
def short_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights babble to the limit."""
    monkeypatch.setattr("finecaption.decoding.MAX_NEW_TOKENS", 3, raising=True)


def test_json(files: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, mask = files / "good.png", files / "mask.png"
    code, out, err = run_caption(
        capsys, tiny_folder, image, "--mask", mask, "--mask", mask, "--attribute", "colour",
        "--attribute", "Hair", "--dense", "--global", "--json",
    )  # fmt: skip
    assert code == 0, err
    record = json.loads(out)
    assert (record["image"], record["model"], record["notice"]) == (str(image), "tiny", None)
    assert isinstance(record["global"], str)
    first, second = record["regions"]
    assert first == second
    assert list(first["captions"]) == ["Color", "Hair"] and isinstance(first["dense"], str)
    assert first["box"] == [10, 4, 30, 20]
    assert decode_rle(first["mask"]).sum() == 16 * 20


def test_text_is_plain_when_piped(
    files: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [files / "good.png", "--mask", files / "mask.png"]
    code, out, err = run_caption(capsys, tiny_folder, *asked, "--all", "--dense")
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0] == "Region 1 (box 10,4,30,20)"
    named = [line.strip().partition(":")[0] for line in lines[1:]]
    assert named == [*ATTRIBUTE_NAMES, "In detail"]
    assert "\x1b" not in out
    code, out, err = run_caption(capsys, tiny_folder, *asked)
    named = [line.strip().partition(":")[0] for line in out.splitlines()[1:]]
    assert named == ["One-Sentence Description", "In detail"]


def test_without_a_region_it_says_what_it_describes(
    files: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for asked in ((), ("--dense",)):
        code, out, err = run_caption(capsys, tiny_folder, files / "good.png", *asked)
        assert code == 0 and out.startswith("Whole image\n")
        assert "describing the whole image" in err
    code, out, err = run_caption(capsys, tiny_folder, files / "good.png", "--global")
    assert code == 0 and "describing" not in err


def test_a_terminal_gets_a_table(
    files: Path,
    tiny_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    code, out, _ = run_caption(
        capsys, tiny_folder, files / "good.png", "--mask", files / "mask.png"
    )
    assert code == 0
    assert "\x1b[1mRegion 1" in out and "In detail" in out
    assert all(len(line) < 120 for line in out.splitlines())


def test_the_notice_is_told_everywhere(
    files: Path,
    tiny_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from finecaption.trust.out_of_domain import fit_domain

    folder = tmp_path / "tiny"
    folder.mkdir()
    for file in tiny_folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    random = np.random.default_rng(0)
    greys = [np.full((30, 30, 3), grey, np.uint8) for grey in random.integers(0, 256, 40)]
    fit_domain(folder, greys, knows="grey squares")
    code, out, _ = run_caption(capsys, folder, files / "good.png", "--json")
    assert code == 0 and "grey squares" in json.loads(out)["notice"]["text"]
    code, out, _ = run_caption(capsys, folder, files / "good.png", "--save", tmp_path / "out.png")
    assert code == 0 and out.startswith("Notice: ") and (tmp_path / "out.png").exists()
    monkeypatch.setenv("FORCE_COLOR", "1")
    code, out, _ = run_caption(capsys, folder, files / "good.png")
    assert code == 0 and "Notice" in out and "grey squares" in out


@pytest.mark.parametrize("name", ["cmyk.jpg", "palette.png", "deep.png", "turned.jpg"])
def test_unusual_pictures_are_described(
    files: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    mask = files / ("turned-mask.png" if name == "turned.jpg" else "mask.png")
    code, out, err = run_caption(
        capsys, tiny_folder, files / name, "--mask", mask, "--dense", "--json"
    )
    assert code == 0, err
    shape = [48, 32] if name == "turned.jpg" else [32, 48]
    assert json.loads(out)["regions"][0]["mask"]["size"] == shape


class _Stdin:
    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)

    def isatty(self) -> bool:
        return False


def test_stdin(
    files: Path,
    tiny_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", _Stdin((files / "good.png").read_bytes()))
    code, out, err = run_caption(capsys, tiny_folder, "-", "--json")
    assert code == 0 and json.loads(out)["image"] == "-", err
    monkeypatch.setattr(sys, "stdin", _Stdin(b""))
    code, _, err = run_caption(capsys, tiny_folder, "-")
    assert code == 2 and "standard input is empty" in err


def test_save_is_atomic_and_draws(
    files: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, kind in (("out.png", "PNG"), ("out.jpg", "JPEG")):
        path = tmp_path / name
        code, _, err = run_caption(
            capsys, tiny_folder, files / "good.png", "--mask", files / "mask.png", "--save", path
        )
        assert code == 0 and str(path) in err
        with Image.open(path) as drawn:
            assert drawn.format == kind and drawn.width > 600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.jpg", "out.png"]


GOOD = ("good.png", "--mask", "mask.png")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("missing.png",), "no such file"),
        (("empty.png",), "is empty"),
        (("broken.png",), "broken"),
        (("text.png",), "not an image"),
        (("huge.png",), "too many pixels"),
        ((".",), "folder"),
        (("good.png", "--mask", "missing.png"), "no such file"),
        (("good.png", "--mask", "text.png"), "not an image"),
        (("good.png", "--mask", "no-mask.png"), "mask is empty"),
        (("good.png", "--mask", "turned-mask.png"), "32 x 48 pixels, but the image is 48 x 32"),
        (("good.png", "--box", "30,4,10,20"), "reversed"),
        (("good.png", "--box", "100,100,120,120"), "outside"),
        (("good.png", "--box", "nan,1,2,3"), "NaN"),
        (("good.png", "--box", "1,2,3"), "4 numbers; got 3"),
        (("good.png", "--box", "a,b,c,d"), "not a number"),
        (("good.png", "--box", "1,1,1,5"), "no area"),
        (("good.png", "--point", "100,3"), "outside"),
        (("good.png", "--point", "nan,3"), "NaN"),
        (("good.png", "--point", "-1,3"), "outside"),
        (("good.png", "--point", "3,3:x"), "must end in"),
        (("good.png", "--point", "3"), "2 numbers; got 1"),
        (("good.png", "--point", "3,3:-"), "at least one click on the object"),
        (("good.png", "--point", "3,3"), "segmenter"),
        (("good.png", "--point", "3,3", "--box", "1,1,5,5", "--box", "2,2,9,9"), "which of"),
        ((*GOOD, "--attribute", "Colr"), 'did you mean "Color"'),
        ((*GOOD, "--attribute", "qwxyz"), "choose from"),
        ((*GOOD, "--attribute", "Color", "--all"), "give one of them"),
        (("good.png", "--attribute", "Color"), "asks about a region"),
        (("good.png", "--all"), "asks about a region"),
        ((*GOOD, "--save", "out.xyz"), "must end in"),
        ((*GOOD, "--save", "nowhere/out.png"), "no folder"),
        ((*GOOD, "--save", "good.png"), "overwrite the image"),
        ((*GOOD, "--device", "abacus"), "device"),
        ((*GOOD, "--model", "nonsense"), "no such model"),
        ((*GOOD, "--nonsense"), "No such option"),
        ((), "Missing argument"),
    ],
)
def test_bad_input_is_told_and_ends_with_2(
    files: Path,
    tiny_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    says: str,
) -> None:
    monkeypatch.chdir(files)
    before = sorted(files.iterdir())
    model = () if "--model" in arguments else ("--model", str(tiny_folder))
    code = main(["caption", *arguments, *model])
    out, err = capsys.readouterr()
    assert code == 2
    assert says in " ".join(err.split()) and not out
    assert "Traceback" not in err
    assert sorted(files.iterdir()) == before


def test_interruption_ends_with_130(
    files: Path,
    tiny_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("finecaption.captioner.FineCaption.from_pretrained", interrupt)
    code, _, err = run_caption(capsys, tiny_folder, files / "good.png")
    assert code == 130 and "Traceback" not in err


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("finecaption ")
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("caption", "eval", "train", "synth"))
    assert main(["nonsense"]) == 2
    capsys.readouterr()
