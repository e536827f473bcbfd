"""What tests of the command line share."""

from __future__ import annotations

from pathlib import Path

import pytest

from finecaption.cli import main


def run_caption(
    capsys: pytest.CaptureFixture[str], model: Path, *arguments: object
) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `finecaption caption`."""
    return run_command(capsys, "caption", *arguments, "--model", model)


def run_command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `finecaption`."""
    code = main(list(map(str, arguments)))
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err
