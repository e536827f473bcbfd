from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finecaption.errors import InputError
from finecaption.model.configuration import FineCaptionConfig
from finecaption_synth.training.labels import HEADS, IGNORE
from finecaption_synth.training.pool import Pool, shard_folder
from finecaption_synth.training.rolling_pool import (
    RollingPool,
    Window,
    is_rendering,
    read_position,
    rendering_ahead,
)


@pytest.fixture
def sizes(config: FineCaptionConfig) -> dict[str, Any]:
    return {"clip_size": config.clip_size, "hr_size": config.image_size}


def test_the_window_moves_on_after_so_many_uses() -> None:
    window = Window(scenes=1000, uses=4)
    assert window.shard_size == 50 and window.shards == 20
    assert [window.first(i) for i in (0, 199, 200, 399, 400)] == [0, 0, 1, 1, 2]
    rng = np.random.default_rng(0)
    assert {window.choose(200, rng) for _ in range(1000)} == set(range(1, 21))
    assert Window(scenes=1000, uses=0).first(10**9) == 0
    assert Window(scenes=2, uses=1).shard_size == 2


def test_scenes_are_those_of_a_fixed_pool(
    pool: Pool, tmp_path: Path, sizes: dict[str, Any]
) -> None:
    rolling = RollingPool(tmp_path, "train", 0, Window(scenes=2, uses=1), **sizes)
    shard = rolling.shard(1)  # scenes 2 and 3
    for scene in range(2):
        assert np.array_equal(shard.arrays["hr"][scene], pool[2 + scene].hr)
        assert np.array_equal(shard.labels(scene), pool[2 + scene].labels)
    for head in range(len(HEADS)):
        wanted = [
            (scene, region)
            for scene in range(2)
            for region in range(1, len(shard.labels(scene)))
            if shard.labels(scene)[region, head] != IGNORE
        ]
        assert shard.by_head[head].tolist() == [list(w) for w in wanted]


def test_other_settings_are_refused(tmp_path: Path, sizes: dict[str, Any]) -> None:
    RollingPool(tmp_path, "train", 0, Window(2, 1), **sizes)
    with pytest.raises(InputError, match="use another folder"):
        RollingPool(tmp_path, "train", 1, Window(2, 1), **sizes)


def test_a_renderer_keeps_ahead_and_cleans_up(tmp_path: Path, sizes: dict[str, Any]) -> None:
    rolling = RollingPool(tmp_path, "train", 0, Window(scenes=1, uses=1), **sizes)
    rolling.advance(2)
    assert read_position(tmp_path) == 2
    shard_folder(tmp_path, 0).mkdir()  # one that is behind
    with rendering_ahead(rolling, workers=1):
        assert is_rendering(tmp_path)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(subprocess, "Popen", None)
            with rendering_ahead(rolling, workers=1):  # one is enough, and it is not ours to end
                pass
        assert is_rendering(tmp_path)
        assert len(rolling.shard(2).arrays["hr"]) == 1  # waits for it
        deadline = time.monotonic() + 120
        while not shard_folder(tmp_path, 4).exists() and time.monotonic() < deadline:
            time.sleep(0.1)
    assert not is_rendering(tmp_path)
    assert not shard_folder(tmp_path, 0).exists()
    assert shard_folder(tmp_path, 4).exists() and not shard_folder(tmp_path, 6).exists()
    assert len(rolling.shard(7).arrays["hr"]) == 1  # nobody else renders now


def test_a_renderer_that_was_killed_is_not_waited_for(
    tmp_path: Path, sizes: dict[str, Any]
) -> None:
    rolling = RollingPool(tmp_path, "train", 0, Window(scenes=1, uses=1), **sizes)
    command = [sys.executable, "-m", "finecaption_synth.training.rolling_pool", str(tmp_path)]
    killed = subprocess.Popen([*command, "--size", "1", "--ahead", "1"])
    deadline = time.monotonic() + 120
    while not is_rendering(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert is_rendering(tmp_path)
    killed.kill()
    killed.wait()
    assert not is_rendering(tmp_path)
    assert len(rolling.shard(3).arrays["hr"]) == 1  # rendered here
