"""A full disk, as the system and the libraries that write tell it."""

from __future__ import annotations

import errno
from typing import NoReturn

import pytest

from finecaption import cli


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "a.bin"),
        OSError(errno.EDQUOT, "Disk quota exceeded", "a.bin"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_it_is_told_in_words(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(**options: object) -> NoReturn:
        raise error

    monkeypatch.setattr(cli, "app", write)
    assert cli.main(["data"]) == 1
    assert capsys.readouterr().err.startswith("error: the disk is full (")


def test_other_errors_are_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(**options: object) -> NoReturn:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(cli, "app", write)
    with pytest.raises(OSError, match="Input/output"):
        cli.main(["data"])
