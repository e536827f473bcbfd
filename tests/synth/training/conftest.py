"""A pool of few scenes at the size of the tiny preset, and a finished run of the smoke recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.processing import FineCaptionProcessor
from finecaption.training.config import Recipe
from finecaption_synth.training import texts
from finecaption_synth.training.pool import Pool, render_pool
from finecaption_synth.training.recipes import smoke
from finecaption_synth.training.scratch import train_from_scratch
from finecaption_synth.truth import RegionTruth

SCENES = 6
Prepared = tuple[FineCaptionConfig, FineCaptionProcessor]


@pytest.fixture(scope="session")
def prepared() -> Prepared:
    """Config and processor of the tiny preset; its words take a second to collect."""
    return texts.make_processor("tiny")


@pytest.fixture(scope="session")
def config(prepared: Prepared) -> FineCaptionConfig:
    return prepared[0]


@pytest.fixture(scope="session")
def processor(prepared: Prepared) -> FineCaptionProcessor:
    return prepared[1]


@pytest.fixture(scope="session")
def pool_folder(tmp_path_factory: pytest.TempPathFactory, config: FineCaptionConfig) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    sizes = {"clip_size": config.clip_size, "hr_size": config.image_size}
    assert list(render_pool(folder, "train", 0, SCENES, **sizes)) == [0]
    return folder


@pytest.fixture(scope="session")
def pool(pool_folder: Path) -> Pool:
    return Pool(pool_folder)


@pytest.fixture(scope="session")
def regions(pool: Pool) -> list[RegionTruth]:
    """Every region of the pool."""
    return [region for i in range(len(pool)) for region in pool[i].truth.regions]


@dataclass(frozen=True)
class Trained:
    """A finished run: what, where, the folder that train_from_scratch returned, what it said."""

    recipe: Recipe
    root: Path
    last: Path
    said: list[str]


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory, pool_folder: Path, prepared: Prepared
) -> Trained:
    root = tmp_path_factory.mktemp("run")
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "make_processor", lambda preset: prepared)
        last = train_from_scratch(smoke(), root, pool=pool_folder, say=said.append)
    return Trained(smoke(), root, last, said)
