"""Review: a person accepts, edits or rejects what is said of each region; several can, and then
how far they agree is known. The page is `app`, everything else is plain data."""

from __future__ import annotations

from finecaption_annotate.review.agreement import Agreement, agreement, agreement_table
from finecaption_annotate.review.export import Kept, reviewed_samples
from finecaption_annotate.review.items import Field, Picture, Place, ReviewSet, read_set
from finecaption_annotate.review.journal import (
    DECISIONS,
    Decision,
    ReviewJournal,
    Reviews,
    check_reviewer,
    progress,
)

__all__ = [
    "DECISIONS",
    "Agreement",
    "Decision",
    "Field",
    "ReviewJournal",
    "Kept",
    "Picture",
    "Place",
    "ReviewSet",
    "Reviews",
    "agreement",
    "agreement_table",
    "check_reviewer",
    "progress",
    "read_set",
    "reviewed_samples",
]
