"""Files of folders: which are images, which belong together, in which order."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from finecaption.bulk.jobs import Bad, BatchJob
from finecaption.bulk.listing import _matches, check_folder, folder_jobs, is_image, list_jobs, walk
from finecaption.errors import InputError

Draw = Callable[..., Path]


@pytest.mark.parametrize(
    ("name", "image"),
    [("a.png", True), ("a.JPG", True), ("a.b.tiff", True), ("a.txt", False), ("png", False),
     (".a.png", False), ("a.mask.png", False), ("a.1.mask.png", False),
     ("a.annotated.png", False), ("mask.png", True), ("a.masked.png", True)],
)  # fmt: skip
def test_which_files_are_images(name: str, image: bool) -> None:
    assert is_image(name) is image


def tree(root: Path) -> Path:
    for name in ("b/2.txt", "b/1.txt", "a/deep/x.txt", "a/y.txt", "z.txt", ".hidden/x.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize(
    ("depth", "folders"),
    [(None, ["", "a", "a/deep", "b"]), (0, [""]), (1, ["", "a", "b"]),
     (2, ["", "a", "a/deep", "b"])],
)  # fmt: skip
def test_folders_are_walked_in_order_and_to_a_depth(
    tmp_path: Path, depth: int | None, folders: list[str]
) -> None:
    found = list(walk(tree(tmp_path), depth))
    assert [relative for _, relative, _ in found] == folders
    names = {relative: listed for _, relative, listed in found}
    assert names[""] == ["z.txt"]
    assert names.get("b", ["1.txt", "2.txt"]) == ["1.txt", "2.txt"]
    assert [directory for directory, _, _ in found] == [
        os.path.join(tmp_path, relative) if relative else str(tmp_path) for relative in folders
    ]


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    ((_, relative, error),) = walk(tmp_path / "nowhere")
    assert relative == "" and isinstance(error, OSError)
    ((bad),) = folder_jobs(tmp_path / "nowhere")
    assert isinstance(bad, Bad) and "cannot be read (No such file" in bad.what
    with pytest.raises(InputError, match="cannot be read .*; check the path"):
        check_folder(str(tmp_path / "nowhere"))
    check_folder(str(tmp_path))


def test_masks_belong_to_the_image_of_their_name(tmp_path: Path, draw: Draw) -> None:
    for name in ("a.jpg", "a.mask.png", "b.png", "b.10.mask.png", "b.2.mask.png", "c.2.png",
                 "c.2.mask.png", "d.x.mask.png", "e.1.mask.png", "f.jpg", "f.png"):  # fmt: skip
        (tmp_path / name).touch()
    jobs = {job.id: job for job in folder_jobs(tmp_path)}
    regions = {
        name: [(region.id, os.path.basename(region.form)) for region in job.regions]
        for name, job in jobs.items()
        if isinstance(job, BatchJob)
    }
    assert regions == {
        "a.jpg": [("1", "a.mask.png")],
        "b.png": [("2", "b.2.mask.png"), ("10", "b.10.mask.png")],  # by number
        "c.2.png": [("1", "c.2.mask.png")],  # the whole name counts before a number
        "f.jpg": [],
        "f.png": [],
    }
    bad = [job.id for job in jobs.values() if isinstance(job, Bad)]
    assert bad == ["d.x.mask.png", "e.1.mask.png"]
    stems = {name: job.stem for name, job in jobs.items() if isinstance(job, BatchJob)}
    assert stems == {"a.jpg": "a", "b.png": "b", "c.2.png": "c.2", "f.jpg": "f.jpg",
                     "f.png": "f.png"}  # fmt: skip


def test_files_given_one_by_one_have_paths_from_their_common_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "x/b.png", "x/y/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    given = ["x/y/c.png", "x/b.png", "a.png", "x/b.png"]
    assert [job.id for job in list_jobs(given)] == ["x/y/c.png", "x/b.png", "a.png"]
    assert [job.id for job in list_jobs(["x/y/c.png"])] == ["c.png"]
    assert [job.id for job in list_jobs(["nowhere/c.png"])] == ["c.png"]


@pytest.mark.parametrize(
    ("path", "pattern", "fits"),
    [
        ("a.png", "*.png", True),
        ("a.png", "*.jpg", False),
        ("x/a.png", "*.png", False),
        ("x/a.png", "*/*.png", True),
        ("a.png", "*/*.png", False),
        ("a.png", "**/*.png", True),
        ("x/y/a.png", "**/*.png", True),
        ("x/y/a.png", "x/**", True),
        ("z/y/a.png", "x/**", False),
        ("x/y/a.png", "**/y/*", True),
        ("A.png", "a.png", False),
        ("", "", True),
        ("a", "", False),
        ("", "a", False),
    ],
)
def test_patterns_match_folder_by_folder(path: str, pattern: str, fits: bool) -> None:
    split = [text.split("/") if text else [] for text in (path, pattern)]
    assert _matches(*split) is fits
