"""Which file is where."""

from __future__ import annotations

from pathlib import Path

import pytest

from finecaption.bulk.layout import Layout
from finecaption.errors import InputError


@pytest.mark.parametrize(
    ("out", "formats", "chosen", "journal", "files"),
    [
        ("c.jsonl", [], ("jsonl",), "c.jsonl", {"jsonl": "c.jsonl", "csv": "c.csv"}),
        ("c.JSONL", [], ("jsonl",), "c.JSONL", {"jsonl": "c.JSONL"}),
        ("c.csv", [], ("csv",), ".c.records.jsonl", {"csv": "c.csv"}),
        ("c.json", ["csv"], ("coco", "csv"), ".c.records.jsonl",
         {"coco": "c.json", "csv": "c.csv"}),
        ("c.html", ["html", "jsonl"], ("html", "jsonl"), "c.jsonl",
         {"html": "c.html", "coco": "c.coco.json"}),
        ("c", [], ("jsonl",), "c/captions.jsonl", {"html": "c/captions.html"}),
        ("c", ["txt", "txt"], ("txt",), "c/.captions.records.jsonl",
         {"coco": "c/captions.coco.json"}),
    ],
)  # fmt: skip
def test_files_of_a_run(
    tmp_path: Path,
    out: str,
    formats: list[str],
    chosen: tuple[str, ...],
    journal: str,
    files: dict[str, str],
) -> None:
    layout = Layout.of(tmp_path / out, formats)
    assert layout.formats == chosen
    assert layout.journal == tmp_path / journal
    assert {form: layout.file(form) for form in files} == {
        form: tmp_path / name for form, name in files.items()
    }
    name = Path(journal).name.lstrip(".")
    assert layout.run == (tmp_path / journal).with_name(f".{name}.run")
    assert layout.errors == layout.folder / "errors.jsonl"


def test_sidecars_stand_in_the_folder_or_in_one_beside_the_file(tmp_path: Path) -> None:
    assert Layout.of(tmp_path / "c").sidecars == tmp_path / "c"
    assert Layout.of(tmp_path / "c.jsonl").sidecars == tmp_path / "c"
    for formats, has in ((["txt"], True), (["png"], True), (["jsonl", "csv"], False)):
        assert Layout.of(tmp_path / "c", formats).has_sidecars is has


@pytest.mark.parametrize("name", ["c.txt", "c.PNG", "file"])
def test_what_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="must be a folder, or a file that ends in"):
        Layout.of(tmp_path / name)
