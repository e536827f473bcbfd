"""The synthetic world as data with ground truth in values: an `eval.truth.KnownTruth`."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from finecaption.errors import InputError
from finecaption.eval.data import EvalSource
from finecaption_synth.compose import render_rgb, scene_svg
from finecaption_synth.evaluation.agreement import agreement
from finecaption_synth.evaluation.conflicts import study
from finecaption_synth.evaluation.objects import coverage, objects
from finecaption_synth.evaluation.refusals import refusals
from finecaption_synth.evaluation.scenes import FolderSource, SynthSource
from finecaption_synth.evaluation.statements import statement_scores
from finecaption_synth.language import is_not_applicable as is_refusal
from finecaption_synth.language import score
from finecaption_synth.scene import SPLITS, sample_scene
from finecaption_synth.vocabulary import inapplicable

_NAME = re.compile(r"(?P<split>[a-z-]+)-(?P<seed>-?\d+)-(?P<index>\d{6,})")


def open(text: str, workers: int) -> EvalSource:  # noqa: A001 - the protocol's name
    """``synth:SPLIT[:SEED]``, or a folder that `finecaption synth render` wrote.

    Raises:
        InputError: it is neither.
    """
    form, _, rest = text.partition(":")
    if form != "synth":
        return FolderSource(text, workers)
    if Path(rest).exists():
        return FolderSource(rest, workers)
    split, _, seed = rest.partition(":")
    if split not in SPLITS:
        raise InputError(
            f'data: "{text}" names no split; give synth:SPLIT or synth:SPLIT:SEED with SPLIT one '
            f"of {', '.join(SPLITS)}"
        )
    try:
        number = int(seed or "0")
    except ValueError as error:
        raise InputError(f'data: "{seed}" in "{text}" must be an integer seed') from error
    return SynthSource(split, number, workers)


def trick_question(category: str, image: str, region_id: int) -> str | None:
    """One attribute that cannot apply, chosen by the region's name; None if all apply."""
    names = inapplicable(category)
    return random.Random(f"trick/{image}/{region_id}").choice(names) if names else None


def studies(records: Sequence[dict[str, Any]], wholes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What scores.json says beyond accuracy.

    Returns:
        conflicts: see `conflicts.study`; drawn: see `statements.statement_scores`; and as objects
        with value and count: contradictions (of facets that answer and paragraph both state),
        agreement (on noun and pronoun), refusals (of questions that cannot apply), objects (named
        that are not there) and coverage (of salient objects, by captions of whole images).
    """
    drawn = [r for r in records if r["truth"] and r["answers"]]
    found = study(records)
    contradictions = None
    if found is not None:
        told = found["all"]
        contradictions = {"value": told["contradicted"], "count": told["compared"]}
    return {
        "conflicts": found,
        "drawn": statement_scores(drawn) if drawn else None,
        "contradictions": contradictions,
        "agreement": agreement(drawn),
        "refusals": refusals(drawn),
        "objects": objects(drawn, wholes),
        "coverage": coverage(wholes),
    }


def render(name: str) -> np.ndarray | None:
    """The scene SPLIT-SEED-INDEX, uint8 (H, W, 3) RGB; None if the name is of another form."""
    found = _NAME.fullmatch(name)
    if found is None or found["split"] not in SPLITS:
        return None
    return render_rgb(
        scene_svg(sample_scene(found["split"], int(found["seed"]), int(found["index"])))
    )


__all__ = ["is_refusal", "open", "render", "score", "studies", "trick_question"]
