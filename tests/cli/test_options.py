"""What all commands have in common: help, verbosity and shell completion."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from finecaption.attributes import ATTRIBUTES
from finecaption.cli import app, main
from finecaption.cli.console import is_quiet, is_verbose
from finecaption.data.convert import TARGETS
from finecaption.data.sources import SOURCE_NAMES
from finecaption.training.recipes import RECIPES

from .conftest import run_command

NO_SENTENCE = re.compile(r"^(Of|As|To|For|With)\b(?! --)")


def commands() -> Iterator[tuple[str, Any]]:
    """Name and click command of everything that can be run."""
    root: Any = typer.main.get_command(app)
    waiting = [(name, root.get_command(None, name)) for name in root.list_commands(None)]
    while waiting:
        name, command = waiting.pop(0)
        subs = getattr(command, "commands", {})
        waiting += [(f"{name} {sub}", found) for sub, found in subs.items()]
        if not subs or command.invoke_without_command:
            yield name, command


ALL = dict(commands())


def options(command: Any) -> Iterator[Any]:
    """The options of a command, without --help."""
    for parameter in command.params:
        if any(name.startswith("--") for name in parameter.opts):
            yield parameter


def test_there_are_all_commands() -> None:
    assert {"caption", "batch", "eval", "eval predict", "data convert", "synth render"} <= set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_help_lines_are_sentences(name: str) -> None:
    for option in options(ALL[name]):
        line = option.help
        assert line, option.opts
        assert line[0].isupper() or line.startswith("mini"), line
        assert line.endswith(".") and not NO_SENTENCE.match(line), line
        assert "picture" not in line and "colour" not in line, line


@pytest.mark.parametrize("name", ALL)
def test_every_command_can_be_quiet_or_verbose(name: str) -> None:
    found = {short for option in options(ALL[name]) for short in option.opts}
    if name != "data formats":  # which prints results only
        assert {"-q", "--quiet", "-v", "--verbose"} <= found


# command -> options that mean something of its own there
OWN = {"choose": "--attribute", "synth render": "--dense", "data annotate": "--skip-bad"}


def test_one_name_means_one_thing() -> None:
    told: dict[str, set[str]] = {}
    for name, command in ALL.items():
        for option in options(command):
            if option.opts[0] != OWN.get(name):
                told.setdefault(option.opts[0], set()).add(option.help)
    shared = {
        "--attribute", "--all", "--dense", "--global", "--mask", "--box", "--point", "--device",
        "--images", "--skip-bad", "--quiet", "--verbose", "--print-config", "--temperature",
    }  # fmt: skip
    assert {name: texts for name, texts in told.items() if name in shared and len(texts) > 1} == {}


def test_wherever_a_captioner_is_chosen_the_option_is_model() -> None:
    choosing = (
        "caption", "batch", "choose", "segment", "studio", "serve", "eval", "eval predict", "train",
        "data annotate",
    )  # fmt: skip
    for name in choosing:
        assert any("--model" in option.opts for option in options(ALL[name])), name


# -q and -v ---------------------------------------------------------------------------------------


def test_quiet_leaves_results_alone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_folder: Path
) -> None:
    image = Path(__file__).parents[2] / "examples/room.png"
    arguments = ("caption", image, "--model", tiny_folder, "--max-new-tokens", "2")
    code, out, err = run_command(capsys, *arguments)
    assert code == 0 and "describing the whole image" in err
    code, quiet_out, err = run_command(capsys, *arguments, "-q")
    assert code == 0 and err == "" and quiet_out == out
    assert is_quiet()
    code, verbose_out, err = run_command(capsys, *arguments, "--verbose")
    assert code == 0 and verbose_out == out
    assert f"model: {tiny_folder} on cpu" in err and re.search(r"done after \d+\.\d\d s", err)


def test_quiet_leaves_errors_alone(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run_command(capsys, "caption", "nosuch.png", "-q")
    assert code == 2 and err.startswith("error: nosuch.png")


def test_verbose_shows_where_an_error_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["caption", "nosuch.png", "-v"]) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err and "load_image" in err
    assert err.splitlines()[-1].startswith("error: nosuch.png")


def test_quiet_and_verbose_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run_command(capsys, "caption", "nosuch.png", "-q", "-v")
    assert code == 2 and "--quiet and --verbose: give one of them" in err


def test_a_command_begins_at_the_default_level(capsys: pytest.CaptureFixture[str]) -> None:
    run_command(capsys, "caption", "nosuch.png", "-q")
    run_command(capsys, "caption", "nosuch.png")
    assert not is_quiet() and not is_verbose()


def test_training_is_silent_when_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    from finecaption.training.console import ConsoleCallback

    run_command(capsys, "caption", "nosuch.png", "-q")
    assert ConsoleCallback("stage1").console.quiet
    run_command(capsys, "caption", "nosuch.png")
    assert not ConsoleCallback("stage1").console.quiet


# Shell completion --------------------------------------------------------------------------------


def complete(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> set[str]:
    """What bash offers for the last word of a line."""
    words = line.split(" ")
    with monkeypatch.context() as patch:
        patch.setitem(os.environ, "_FINECAPTION_COMPLETE", "complete_bash")
        patch.setitem(os.environ, "COMP_WORDS", line)
        patch.setitem(os.environ, "COMP_CWORD", str(len(words) - 1))
        main([])
    return set(capsys.readouterr().out.split("\n")) - {""}


SLUGS = {one.slug for one in ATTRIBUTES}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("finecaption caption x.png --attribute ", SLUGS),
        ("finecaption batch x --out y --attribute ha", {"hair"}),
        ("finecaption choose x.png a b --attribute co", {"color"}),
        ("finecaption caption x.png --model finecap", {"finecaption-mini"}),
        ("finecaption eval --model qwen2-vl-7", {"qwen2-vl-7b"}),
        ("finecaption batch x --out y --format jsonl,c", {"jsonl,csv", "jsonl,coco"}),
        ("finecaption batch x --out y --on-existing s", {"skip"}),
        ("finecaption segment x.png --format r", {"rle"}),
        ("finecaption train --recipe ", set(RECIPES)),
        ("finecaption data convert x --from ", {*SOURCE_NAMES, "store"}),
        ("finecaption data convert x --to ", set(TARGETS)),
        ("finecaption eval --data synth:test", {"synth:test", "synth:test-unseen"}),
        ("finecaption assemble --preset 8", {"8b", "8b-light"}),
        ("finecaption synth render --split te", {"test", "test-unseen"}),
        ("finecaption caption x.png --length b", {"brief"}),
        ("finecaption caption x.png --device c", {"cpu", "cuda"}),
    ],
)  # fmt: skip
def test_values_are_completed(
    line: str, offered: set[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert complete(line, monkeypatch, capsys) == offered


def test_folders_of_models_are_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs/mine").mkdir(parents=True)
    (tmp_path / "runs/file.txt").touch()
    monkeypatch.chdir(tmp_path)
    found = complete("finecaption caption x.png --model runs/", monkeypatch, capsys)
    assert found == {"runs/mine/"}


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (NotADirectoryError(20, "Not a directory", "f/o"), 2, "error: f/o: Not a directory; check"),
        (OSError(36, "File name too long", "xx"), 2, "error: xx: File name too long; check"),
        (OSError(28, "No space left on device"), 1, "error: the disk is full"),
        (PermissionError(13, "Permission denied", "o"), 1, "error: o: Permission denied; check"),
    ],
)
def test_errors_of_the_system_are_told_without_a_traceback(
    error: OSError,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(**given: object) -> None:
        raise error

    monkeypatch.setattr("finecaption.cli.app", fails)
    found, _, err = run_command(capsys, "data", "formats")
    assert found == code and err.startswith(said)


def test_other_errors_of_the_system_are_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**given: object) -> None:
        raise ConnectionResetError(104, "reset")

    monkeypatch.setattr("finecaption.cli.app", fails)
    with pytest.raises(ConnectionResetError):
        main(["data", "formats"])
