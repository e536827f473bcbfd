"""What tests of the command line share."""

from __future__ import annotations

from pathlib import Path

import pytest

from finecaption.cli import main


def run_caption(
    capsys: pytest.CaptureFixture[str], model: Path, *arguments: object
) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `finecaption caption`."""
    code = main(["caption", *map(str, arguments), "--model", str(model)])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err
