"""The package's exceptions."""

from __future__ import annotations


class FineCaptionError(Exception):
    """Base of every error that this package raises on purpose."""


class InputError(FineCaptionError, ValueError):
    """Something the user gave cannot be used: a file, a mask, a box, a name, a field.

    The message says what was wrong, where, and what to do. The command line prints it without a
    traceback and exits with code 2.
    """


class CaptionerError(FineCaptionError):
    """A captioner could not answer, for good or after all tries; continuing later may help."""
