"""Checkpoints in upstream formats, at tiny size."""

from __future__ import annotations

import pytest

from finecaption.attributes import ATTRIBUTE_NAMES, region_instruction

from . import upstream

TEXTS = tuple(region_instruction(name) for name in ATTRIBUTE_NAMES)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Option name -> path: OpenAI CLIP, Alpha-CLIP, timm, Meta SAM, Llama."""
    return upstream.five_files(tmp_path_factory.mktemp("upstream"), TEXTS)
