from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from finecaption.model import FineCaptionForConditionalGeneration, FineCaptionProcessor
from finecaption.training.config import override
from finecaption.training.curve import LossCurve
from finecaption.training.finetune import choose_shown, finetune
from finecaption.training.monitor import greedy, picture
from finecaption.training.recipes import paper
from finecaption.types import RegionSample

from .regions import draw_samples


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[RegionSample]:
    return draw_samples(tmp_path_factory.mktemp("pictures"))


def test_greedy_says_what_generate_says(tiny_folder: Path, samples: list[RegionSample]) -> None:
    model = FineCaptionForConditionalGeneration.from_pretrained(tiny_folder).train()
    processor = FineCaptionProcessor.from_pretrained(tiny_folder)
    for sample in (samples[0], samples[-1]):
        text = greedy(model, processor, sample, 12)
        assert model.training
        mask = None if sample.mask is None else sample.region().mask
        inputs = processor(
            images=sample.image, masks=mask, text=processor.prompt(sample.instruction())
        )
        model.eval()
        ids = model.generate(**inputs, max_new_tokens=12, do_sample=False)
        model.train()
        assert text == processor.answer(ids[0, inputs["input_ids"].shape[1] :])


def test_pictures_have_captions_beside_them(samples: list[RegionSample]) -> None:
    shown = picture(samples[0], "A cup.")
    assert shown.ndim == 3 and shown.shape[2] == 3 and shown.dtype == "uint8"
    assert not np.array_equal(picture(samples[0], ""), shown)


def test_samples_are_shown_as_it_trains(
    tiny_folder: Path, samples: list[RegionSample], tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    changes = {
        "steps": 3, "batch": 6, "max_tokens": 120, "workers": 0, "samples_shown": 2,
        "show_every": 2, "log_every": 1,
    }  # fmt: skip
    finetune(override(paper().stage(1), changes), tiny_folder, ["x"], tmp_path, samples=samples)
    events = EventAccumulator(str(tmp_path / "work/log"))
    events.Reload()
    assert {"samples/1", "samples/2"} <= set(events.Tags()["images"])
    assert [e.step for e in events.Images("samples/1")] == [2, 3]
    assert any(tag.startswith("samples/1") for tag in events.Tags()["tensors"])
    assert "train/loss" in events.Tags()["scalars"]
    assert [e["step"] for e in LossCurve(tmp_path / "work/log.jsonl").read()] == [1, 2, 3]


def test_shown_samples_are_of_different_pictures(samples: list[RegionSample]) -> None:
    shown = choose_shown(samples, 3)
    assert len(shown) == 3 and len({str(s.image) for s in shown}) == 3
    assert choose_shown(samples, 0) == []


def test_a_curve_goes_on(tmp_path: Path) -> None:
    curve = LossCurve(tmp_path / "log.jsonl")
    assert curve.read() == []
    curve.go_on(0)
    for step in (1, 2, 3):
        curve.add(step, loss=float(step))
    with curve.path.open("a") as file:
        file.write('{"step": 4, "lo')
    curve.go_on(2)
    assert [e["loss"] for e in curve.read()] == [1.0, 2.0]
    assert torch.tensor(curve.read()[-1]["step"]) == 2
