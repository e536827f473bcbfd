"""Every snippet of docs/serve.md runs, and prints what stands below it.

FINECAPTION_UPDATE_DOCS=1 writes what they print into the page, after a new model has been shipped.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from finecaption.cli import main
from finecaption.server import Settings, load_settings

from .conftest import PATIENCE, Live

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/serve.md"
ADDRESS = "http://127.0.0.1:8000"


def blocks(language: str) -> list[tuple[str, str]]:
    """(title, text) of every fence of a language."""
    pattern = rf'^```{language} title="([^"]+)"\n(.*?)^```$'
    return re.findall(pattern, PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_every_snippet_is_of_a_kind_that_is_run() -> None:
    heads = re.findall(r"^```(\S.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert {head.partition(" ")[0] for head in heads} == {"sh", "python", "text", "toml"}
    assert all('title="' in head for head in heads)


def alike(said: str, printed: str) -> bool:
    """Whether words are the same and numbers nearly so: a pixel on the edge of a mask is decided by
    the last bits of a sum, which depend on the processor."""
    one, two = (re.split(r"(\d+)", text) for text in (said, printed))
    return one[::2] == two[::2] and [int(n) for n in one[1::2]] == [
        pytest.approx(int(n), abs=1, rel=1e-3) for n in two[1::2]
    ]


@pytest.fixture
def margins(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How far each greedy word is ahead of the next likely one, in logits."""
    from finecaption.inference import decode_loop

    found: list[float] = []
    choose = decode_loop.choose

    def choosing(logits: Any, decoding: Any, generators: Any) -> Any:
        if decoding.temperature == 0:
            best = logits.topk(2).values
            found.append(float((best[:, 0] - best[:, 1]).min()))
        return choose(logits, decoding, generators)

    monkeypatch.setattr(decode_loop, "choose", choosing)
    return found


def test_python(live: Live, monkeypatch: pytest.MonkeyPatch, margins: list[float]) -> None:
    monkeypatch.chdir(ROOT)
    printed = dict(blocks("text"))
    names: dict[str, object] = {"__name__": "docs"}
    text = PAGE.read_text("utf-8")
    found = blocks("python")
    assert len(found) >= 5 and {f"output of {title}" for title, _ in found} == set(printed)
    for title, code in found:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code.replace(ADDRESS, live.url), title, "exec"), names)
        head = f'```text title="output of {title}"\n'
        if os.environ.get("FINECAPTION_UPDATE_DOCS"):
            text = text.replace(
                f"{head}{printed[f'output of {title}']}```", f"{head}{out.getvalue()}```"
            )
            PAGE.write_text(text, "utf-8")
        else:
            assert alike(out.getvalue(), printed[f"output of {title}"]), (title, out.getvalue())
    names["client"].close()  # type: ignore[attr-defined]  # an OpenAI client
    # With AVX2 and without any of it, logits of up to 12 differ by 3e-6: a hundred times that.
    assert margins and min(margins) > 3e-4, "an answer is a near tie; show another on the page"


def test_commands(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for title, text in blocks("toml"):
        (tmp_path / title).write_text(text)
    (tmp_path / "keys.txt").write_text("a-key-of-some-length\n")
    for line in "".join(text for _, text in blocks("sh")).splitlines():
        words = shlex.split(line.replace(ADDRESS, live.url))
        with pytest.MonkeyPatch.context() as patch:
            while "=" in words[0]:
                name, _, value = words.pop(0).partition("=")
                patch.setenv(name, value)
            if words[0] == "finecaption":
                assert main([*words[1:], "--print-config"]) == 0, line
            elif words[0] == "curl":
                done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
                assert done.returncode == 0 and len(done.stdout) > 10, line
            else:
                assert words[:2] == ["pip", "install"], line
    said = capsys.readouterr().out
    assert '"batch": 32' in said and '"timeout": 30.0' in said
    settings = load_settings("serve.toml")
    assert len(settings.key_digests()) == 1


def test_the_table_of_settings() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \| [^|]+ \|$", PAGE.read_text("utf-8"), re.M))
    assert set(rows) == set(Settings.model_fields)
    for name, told in rows.items():
        default = Settings.model_fields[name].default
        if default in (None, ()):
            assert told == "none", name
        elif isinstance(default, bool):
            assert told == ("yes" if default else "no"), name
        elif isinstance(default, (int, float)):
            assert float(told.replace(",", "")) == default, name
        else:
            assert told == (default if isinstance(default, str) else json.dumps(default)[1:-1]), (
                name
            )


def test_every_status_is_named() -> None:
    text = PAGE.read_text("utf-8")
    from finecaption.server.routing import ERRORS

    for status in (*ERRORS, 404):
        assert f"| {status} |" in text


def test_deployment_files() -> None:
    """What can be checked of them without Docker and systemd."""
    unit = (ROOT / "deploy/finecaption.service").read_text("utf-8")
    docker = (ROOT / "deploy/Dockerfile").read_text("utf-8")
    stop = int(re.search(r"TimeoutStopSec=(\d+)", unit)[1])  # type: ignore[index]  # it is there
    assert stop > Settings.model_fields["grace"].default
    assert '"finecaption", "serve"' in docker and "finecaption serve" in unit
    for name in re.findall(r"FINECAPTION_([A-Z_]+)", unit + docker):
        assert name.lower() in Settings.model_fields, name
    for line in re.findall(r"^COPY (.+) \S+$", docker, re.MULTILINE):
        for name in line.split():
            assert (ROOT / name).exists(), name
    assert "USER finecaption" in docker and "DynamicUser=yes" in unit
