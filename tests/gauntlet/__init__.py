"""The standing gauntlet: hostile and odd inputs, each with what must come of it.

`cases()` has them all; `runner` runs them one by one and says what came. The files of cases are
named for the kind of input. `benchmarks/gauntlet.py` runs everything, `tests/test_gauntlet.py` a
tenth.
"""

from __future__ import annotations

from .case import Case


def cases() -> list[Case]:
    """All cases, in a fixed order; names are distinct."""
    from . import (
        answers,
        checkpoints,
        coco_files,
        image_files,
        jsonl_and_folders,
        manifests,
        mask_files,
        outputs,
        region_forms,
        requests,
        stores,
    )

    modules = (mask_files, region_forms, image_files, manifests, coco_files, jsonl_and_folders,
               stores, requests, checkpoints, answers, outputs)  # fmt: skip
    return [case for module in modules for case in module.cases()]
