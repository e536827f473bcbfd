"""Describes many images in batches; runs can be resumed after a kill.

    sources (folder, pattern, manifest, COCO, dataset) -> BatchJob
    BatchJob -> Loaded (threads) -> answers (the model, in batches) -> Outcome
    Outcome -> journal (JSONL) and sidecars (a writer's thread) -> CSV, COCO, HTML at the end

Nothing here imports torch before the model is opened.
"""

from __future__ import annotations

from finecaption.bulk.engine import ImageResult
from finecaption.bulk.jobs import Bad, BatchJob, RegionSpec
from finecaption.bulk.layout import FORMATS, Layout
from finecaption.bulk.run import BatchSummary, caption_bulk
from finecaption.bulk.settings import RunSettings
from finecaption.bulk.sources import open_jobs, stands_for_many

__all__ = [
    "FORMATS",
    "Bad",
    "ImageResult",
    "BatchJob",
    "Layout",
    "RegionSpec",
    "RunSettings",
    "BatchSummary",
    "caption_bulk",
    "open_jobs",
    "stands_for_many",
]
