"""Settings: arguments, environment, files; and the command."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from finecaption.cli import main
from finecaption.errors import InputError
from finecaption.server import Settings, create_app, load_settings
from finecaption.server.settings import PREFIX

from .conftest import PATIENCE


def test_what_is_given_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "serve.toml"
    file.write_text('port = 1\nbatch = 2\nqueue = 3\ncors_origins = ["https://a.example"]\n')
    monkeypatch.setenv(f"{PREFIX}PORT", "11")
    monkeypatch.setenv(f"{PREFIX}BATCH", "12")
    monkeypatch.setenv(f"{PREFIX}API_KEYS", "first-of-two, second-of-two")
    settings = load_settings(file, {"port": 21, "host": None})
    assert (settings.port, settings.batch, settings.queue) == (21, 12, 3)
    assert settings.host == "127.0.0.1" and settings.cors_origins == ("https://a.example",)
    assert settings.key_digests() == tuple(
        hashlib.sha256(key).digest() for key in (b"first-of-two", b"second-of-two")
    )
    assert "first-of-two" not in repr(settings) + settings.model_dump_json()
    assert load_settings().batch == 12, "the file is not remembered"


def test_a_dotenv_file(tmp_path: Path) -> None:
    file = tmp_path / "serve.env"
    file.write_text(f"{PREFIX}PORT=17\n{PREFIX}ALLOW_URLS=yes\n")
    settings = load_settings(file)
    assert settings.port == 17 and settings.allow_urls


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "prot = 1", "prot: .*the settings are model"),
        ("a.toml", "port = 99999", "port: Input should be less than or equal to 65535"),
        ("a.toml", "port = ", "cannot be read"),
        ("a.toml", 'api_keys = ["short"]', "shorter than 8"),
        ("a.toml", 'api_keys = ["sha256:12"]', "64 hex digits"),
        ("a.env", f"{PREFIX}PORT=x", "port: Input should be a valid integer"),
        ("a.ini", "", "must end in .toml or .env"),
        ("", "", "no such file"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, name: str, text: str, message: str) -> None:
    file = tmp_path / (name or "absent.toml")
    if name:
        file.write_text(text)
    with pytest.raises(InputError, match=message):
        load_settings(file)


def test_a_file_of_keys_must_hold_one(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    for text in ("", "# none\n\n"):
        keys.write_text(text)
        with pytest.raises(InputError, match="holds no key"):
            create_app(Settings(api_keys_file=keys))
    with pytest.raises(InputError, match="cannot be read"):
        create_app(Settings(api_keys_file=tmp_path / "absent"))


def test_the_command_prints_its_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{PREFIX}API_KEYS", "a-secret-key")
    assert main(["serve", "--print-config", "--port", "5", "--allow-urls"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["port"] == 5 and printed["allow_urls"] is True
    assert printed["api_keys"] == ["**********"]
    assert set(printed) == set(Settings.model_fields)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "absent"], "no such model"),
        (["--config", "absent.toml"], "no such file"),
        (["--port", "70000"], "port"),
        (["--api-keys-file", "absent"], "cannot be read"),
    ],
)
def test_the_command_refuses_with_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_importing_the_server_needs_no_torch() -> None:
    code = "import finecaption.server, sys; sys.exit('torch' in sys.modules)"
    env = {"PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src"), "PATH": ""}
    assert subprocess.run([sys.executable, "-c", code], env=env, timeout=PATIENCE).returncode == 0


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("finecaption.server")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(InputError, match=r"pip install 'finecaption\[server\]'"):
        import finecaption.server  # noqa: F401  # importing it is the test
