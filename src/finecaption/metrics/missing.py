"""What a metric raises when something that it runs on is not there."""

from __future__ import annotations

from finecaption.errors import FineCaptionError

INSTALL = 'pip install "finecaption[eval]"'


class Unavailable(FineCaptionError):
    """A metric cannot be computed here; the message says what is missing and how to get it."""
