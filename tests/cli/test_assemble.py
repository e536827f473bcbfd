"""`finecaption assemble`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from finecaption.cli import main


def test_print_config_names_the_sources_and_stops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model"
    words = ["assemble", "--preset", "8b-light", "--sam", "x.pth", "--out", str(out)]
    assert main([*words, "--print-config"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["name"] == "8b-light" and shown["sam"] == "x.pth"
    assert shown["llm"] == "meta-llama/Llama-3.1-8B-Instruct"
    assert not out.exists()


def test_print_config_does_without_torch() -> None:
    code = (
        "import sys\nfrom finecaption.cli import main\n"
        "assert main(['assemble', '--out', 'x', '--print-config']) == 0\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    src = Path(__file__).resolve().parents[2] / "src"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=src, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "8b"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--preset", "9b"], "no preset '9b'; there are 8b, 8b-light"),
        (["--preset", "tiny", "--max-shard-size", "many"], "size 'many': expected a number"),
        (["--preset", "tiny"], "--clip: preset tiny names none; give one"),
        (["--preset", "tiny", "--clip", "none.pt"], "--clip none.pt: no such file or folder"),
    ],
)
def test_bad_arguments_end_with_code_2_and_a_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["assemble", *words, "--out", str(tmp_path / "model")]) == 2
    assert f"error: {message}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
