"""The command line: one file a command, each imported only when it is called for.

Exit codes: 0 done, 1 failed, 2 the user's input cannot be used, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import finecaption
from finecaption.errors import FineCaptionError, InputError

# name -> module that has the typer `app`; in the order of --help
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
    "synth": "finecaption.cli.synth",
}


class _LazyGroup(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        command = typer.main.get_command(import_module(COMMANDS[cmd_name]).app)
        command.name = cmd_name
        return command

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # here, because releases of typer differ in what they make of it
            raise typer.Exit(130) from None


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
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Only holds the options that every command shares."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        argv: the arguments without the program's name; those of the process if None.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
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
        # the reader has gone (`| head`): nobody is left to tell; the flush at exit must not fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _renamed(arguments: list[str]) -> list[str]:
    """`caption ... --out` was the spelling of `batch` up to 0.1."""
    given = {argument.partition("=")[0] for argument in arguments}
    if arguments[:1] != ["caption"] or "--out" not in given:
        return arguments
    print("warning: caption --out is deprecated; use: finecaption batch", file=sys.stderr)
    return ["batch", *arguments[1:]]


def _complain(error: Exception) -> None:
    print(f"error: {error}", file=sys.stderr)


def _code(end: SystemExit) -> int:
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code
    print(end.code, file=sys.stderr)
    return 1
