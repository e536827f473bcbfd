"""Captions for your own pictures, from any captioner, in CompositionCap's shape.

    jobs = folder_jobs("pictures")
    annotate(jobs, OpenAICaptioner("http://localhost:8000/v1", "some-model"), "out.json",
             attributes=("Color",))

Answers are cached, requests limited and tried again, runs go on where they ended, and every record
says where its texts come from.
"""

from __future__ import annotations

from finecaption_annotate.annotate.captioners import Annotator, Ask, CaptionerError, Said
from finecaption_annotate.annotate.jobs import AnnotationJob, folder_jobs, sample_jobs
from finecaption_annotate.annotate.local import LocalCaptioner
from finecaption_annotate.annotate.prompts import PROMPTS_VERSION
from finecaption_annotate.annotate.remote import OpenAICaptioner
from finecaption_annotate.annotate.run import AnnotationSummary, annotate

__all__ = [
    "PROMPTS_VERSION",
    "Ask",
    "Annotator",
    "CaptionerError",
    "AnnotationJob",
    "LocalCaptioner",
    "OpenAICaptioner",
    "Said",
    "AnnotationSummary",
    "annotate",
    "folder_jobs",
    "sample_jobs",
]
