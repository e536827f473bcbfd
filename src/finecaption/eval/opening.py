"""The data that ``--data`` names, opened."""

from __future__ import annotations

from finecaption.data.opening import FORMATS
from finecaption.eval.data import EvalSource
from finecaption.eval.datasets import DatasetSource
from finecaption.eval.truth import known_truth


def open_source(text: str, workers: int = 1) -> EvalSource:
    """The source that ``--data`` names.

    Any dataset as ``FORMAT:PATH`` (finecaption.data.opening.FORMATS), or data with truth in values:
    ``synth:SPLIT[:SEED]``, or a folder that `finecaption synth render` wrote.

    Raises:
        InputError: unknown split or format, seed not an integer, or a path that cannot be used.
    """
    form, _, rest = text.partition(":")
    if form in FORMATS and rest and form != "synth":
        return DatasetSource(rest, form, workers)
    return known_truth().open(text, workers)
