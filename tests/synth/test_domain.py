from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from finecaption.trust.out_of_domain import OutOfDomainDetector
from finecaption_synth import domain


def test_the_command_fits_to_drawn_scenes(
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for file in tiny_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    scenes = list(domain.drawn_scenes(2))
    assert all(scene.mode == "RGB" and min(scene.size) >= 256 for scene in scenes)
    again = list(domain.drawn_scenes(2))
    assert [s.tobytes() for s in again] == [s.tobytes() for s in scenes]

    def copies(count: int, seed: int) -> list[Image.Image]:
        return [scenes[i % 2].rotate(i + seed) for i in range(count)]

    monkeypatch.setattr(domain, "drawn_scenes", copies)
    assert domain.main([str(tmp_path), "--scenes", "30", "--seed", "2"]) == 0
    assert "threshold" in capsys.readouterr().out
    assert OutOfDomainDetector.load(tmp_path) is not None
