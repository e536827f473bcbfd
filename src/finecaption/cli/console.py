"""What commands say on standard error: notes, status lines and progress, as -q and -v allow.

The level is that of the logger "finecaption", so that code below the command line can read it, too:
unset by default, ERROR for -q, DEBUG for -v. Results go to standard output and do not depend on it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finecaption.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

_LOGGER = logging.getLogger("finecaption")


def reset() -> None:
    """Back to the default level."""
    _LOGGER.setLevel(logging.NOTSET)


def is_quiet() -> bool:
    """Whether -q was given: only results and errors are printed."""
    return _LOGGER.level > logging.INFO


def is_verbose() -> bool:
    """Whether -v was given: timings, library messages and tracebacks are printed."""
    return logging.NOTSET < _LOGGER.level <= logging.DEBUG


def note(text: str) -> None:
    """A line on standard error, unless -q is given."""
    if not is_quiet():
        typer.echo(text, err=True)


def detail(text: str) -> None:
    """A line on standard error, if -v is given."""
    if is_verbose():
        typer.echo(text, err=True)


def progress_console() -> Console:
    """The console for progress bars: standard error, silent with -q."""
    from rich.console import Console

    return Console(stderr=True, quiet=is_quiet())


@contextmanager
def status(text: str) -> Iterator[Any]:
    """A status line on a terminal's standard error.

    It takes the place of the progress bars and notes of transformers, which only -v lets through.
    """
    start = time.monotonic()
    with progress_console().status(text) as shown:
        if not is_verbose():
            from transformers.utils import logging as library

            library.disable_progress_bar()
            library.set_verbosity_error()
        yield shown
    detail(f"{text}: done after {time.monotonic() - start:.2f} s")


def _level(name: str, level: int, text: str) -> Any:
    def choose(given: bool) -> None:
        if not given:
            return
        if _LOGGER.level not in (logging.NOTSET, level):
            raise InputError("--quiet and --verbose: give one of them")
        _LOGGER.setLevel(level)

    return typer.Option(f"--{name}", f"-{name[0]}", help=text, callback=choose, expose_value=False)


Quiet = Annotated[bool, _level("quiet", logging.ERROR, "Print results and errors only.")]
Verbose = Annotated[
    bool,
    _level("verbose", logging.DEBUG, "Also print timings and, after an error, its traceback."),
]
"""Parameters of every command; their callbacks set the level, the command itself ignores them."""


__all__ = [
    "Quiet",
    "Verbose",
    "detail",
    "is_quiet",
    "is_verbose",
    "note",
    "progress_console",
    "reset",
    "status",
]
