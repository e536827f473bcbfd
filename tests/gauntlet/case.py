"""A case: an input, how it is given to the product, and what must come of it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple


class Place(NamedTuple):
    """Where a case runs."""

    folder: Path
    """Its own, empty; the current directory. What it writes stays below."""
    outside: Path
    """A folder beside it, with `secret.txt`, `secret.png` and a model, that nothing may read."""
    model: Callable[[], Path]
    """The folder of a tiny model with random weights, which must not be changed."""


@dataclass(frozen=True)
class Case:
    """An input and what must come of it: `value`, or an error whose message has `word`."""

    kind: str
    """The kind of input: a row of the table."""
    name: str
    run: Callable[[Place], Any]
    """Gives the input to the product and returns what it makes of it. Raises what the product
    raises, or `Refused`."""
    value: Any = None
    """What `run` must return; masks are compared by IoU, which must be 1."""
    word: str | None = None
    """Given: an error must come, and its message must have this word (in any case)."""
    warm: Callable[[Place], object] | None = None
    """What it needs and does not test: imports, a model, a server. Neither timed nor watched."""
    known: str = ""
    """Why another outcome is accepted for now."""


class Refused(Exception):
    """The product said no, by an exit code or a status; the message is what it said."""


class Printed(Exception):
    """The product printed a traceback, or answered with a status of 500 and more."""


def command(*arguments: object, refuses: int = 2) -> str:
    """Runs the command line in this process.

    Args:
        arguments: without the program's name.
        refuses: the exit code that says no.

    Returns:
        What it printed on standard output.

    Raises:
        Refused: the exit code was `refuses`.
        Printed: a traceback was printed.
        AssertionError: another exit code but 0.
    """
    from finecaption.cli import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    said = err.getvalue() + out.getvalue()
    if "Traceback (most recent call last)" in said:
        raise Printed(said[-2000:])
    if code == refuses:
        raise Refused(said)
    assert code == 0, f"exit code {code}: {said[-500:]}"
    return out.getvalue()
