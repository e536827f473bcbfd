"""The command line: one file per command, imported only when the command is called.

Exit codes: 0 success, 1 failure, 2 unusable input, 130 interrupted.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import finecaption
from finecaption.cli import console
from finecaption.errors import FineCaptionError, InputError

# name -> module that has the typer `app`; in the order of --help, before those of other packages
COMMANDS = {
    "caption": "finecaption.cli.caption",
    "batch": "finecaption.cli.batch",
    "choose": "finecaption.cli.choose",
    "segment": "finecaption.cli.segment",
    "studio": "finecaption.cli.studio",
    "serve": "finecaption.cli.serve",
    "eval": "finecaption.cli.evaluate",
    "assemble": "finecaption.cli.assemble",
    "train": "finecaption.cli.train",
    "data": "finecaption.cli.data",
}


_LONG = {"batch", "train"}  # SIGTERM stops them as Ctrl-C does: what is finished is written


def _interrupt(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once
    raise KeyboardInterrupt


class _LazyGroup(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        from finecaption import plugins

        return [*COMMANDS, *plugins.names("finecaption.commands")]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        found = _own(cmd_name) if cmd_name in COMMANDS else _of_other_packages(cmd_name)
        if found is None:
            return None
        command = typer.main.get_command(found)
        command.name = cmd_name
        _hide_flag_types(command)
        return command

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # caught here, because releases of typer treat it differently
            raise typer.Exit(130) from None


def _own(name: str) -> Any:
    return import_module(COMMANDS[name]).app


def _of_other_packages(name: str) -> Any:
    from finecaption import plugins

    group = "finecaption.commands"
    return plugins.load(group, name) if plugins.offers(group, name) else None


def _hide_flag_types(command: Any) -> None:
    """Flags take no value, so that help shows no type for them."""
    for sub in getattr(command, "commands", {}).values():
        _hide_flag_types(sub)
    for parameter in command.params:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""


_PATH = (errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP)
"""Errors of a path that cannot be right, whatever the state of the disk."""

app = typer.Typer(
    name="finecaption",
    cls=_LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Describe any region of an image, attribute by attribute.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"finecaption {finecaption.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and stop.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Holds the options of `finecaption` itself."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        argv: the arguments without the program's name; None takes those of the process.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    console.reset()
    try:
        if set(arguments[:1]) & _LONG and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _interrupt)
        app(args=_renamed(arguments), prog_name="finecaption")
    except SystemExit as end:
        return _code(end)
    except KeyboardInterrupt:
        return 130
    except InputError as error:
        _complain(error)
        return 2
    except FineCaptionError as error:
        _complain(error)
        return 1
    except BrokenPipeError:
        # The reader of the pipe has gone (`| head`); the flush at exit must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    # of whatever library writes: torch and safetensors have errors of their own for a full disk
    except Exception as error:
        if _disk_is_full(error):
            what = f"the disk is full ({error}); make room and give the same command again"
        elif isinstance(error, OSError) and error.filename is not None:
            what = f"{os.fsdecode(error.filename)}: {error.strerror}; check the path"
        else:
            raise
        _complain(FineCaptionError(what).with_traceback(error.__traceback__))
        return 2 if isinstance(error, OSError) and error.errno in _PATH else 1
    return 0


def _disk_is_full(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "No space left on device" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _renamed(arguments: list[str]) -> list[str]:
    """Turns `caption ... --out`, the spelling of `batch` up to 0.1, into `batch`."""
    given = {argument.partition("=")[0] for argument in arguments}
    if arguments[:1] != ["caption"] or "--out" not in given:
        return arguments
    print("warning: caption --out is deprecated; use: finecaption batch", file=sys.stderr)
    return ["batch", *arguments[1:]]


def _complain(error: Exception) -> None:
    if console.is_verbose():
        traceback.print_exception(error)
    print(f"error: {error}", file=sys.stderr)


def _code(end: SystemExit) -> int:
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code
    print(end.code, file=sys.stderr)
    return 1
