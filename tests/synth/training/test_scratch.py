from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from finecaption.errors import InputError
from finecaption.model import FineCaptionForConditionalGeneration, FineCaptionProcessor
from finecaption.model.parts import PART_NAMES, part_of, unused_by_captions
from finecaption.segmentation.click import Segmenter
from finecaption.training.config import Recipe, override_recipe, read_settings
from finecaption_synth.training import scratch, texts
from finecaption_synth.training.jobs import HEADS_STATE, STATE, fits_decoder
from finecaption_synth.training.pool import Pool
from finecaption_synth.training.recipes import smoke
from finecaption_synth.training.scratch import ScratchRun, train_from_scratch

from .conftest import Prepared, Trained

Weights = dict[str, torch.Tensor]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, prepared: Prepared) -> None:
    """Runs share one processor."""
    monkeypatch.setattr(texts, "make_processor", lambda preset: prepared)


def weights(folder: Path) -> Weights:
    return load_file(folder / "model.safetensors")


def moved(before: Weights, after: Weights) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


MODELS = ("stage0", "stage1", "stage2", "stage3-regions", "stage3")


def of_part(names: Weights, *parts: str) -> set[str]:
    return {name for name in names if part_of(name) in parts}


@pytest.fixture(scope="module")
def models(trained: Trained) -> dict[str, Weights]:
    return {name: weights(trained.root / name) for name in MODELS}


def test_stage_1_moves_the_adapter_alone(models: dict[str, Weights]) -> None:
    changed = moved(models["stage0"], models["stage1"])
    assert changed == of_part(models["stage0"], "adapter") and changed


def test_stage_2_moves_the_alpha_convolution_alone(models: dict[str, Weights]) -> None:
    assert moved(models["stage1"], models["stage2"]) == {"model.clip.alpha.weight"}
    assert of_part(models["stage1"], "alpha") == {"model.clip.alpha.weight"}


def test_stage_3_moves_everything_that_captions_depend_on(
    trained: Trained, models: dict[str, Weights]
) -> None:
    model = FineCaptionForConditionalGeneration.from_pretrained(trained.last)
    idle = set(unused_by_captions(model))
    everything = of_part(models["stage2"], *PART_NAMES)
    assert idle and everything == set(models["stage2"])
    assert moved(models["stage2"], models["stage3"]) == everything - idle


def test_reading_regions_leaves_the_large_towers_and_the_language_model(
    trained: Trained, models: dict[str, Weights]
) -> None:
    """The heads are gone on with in stage 3."""
    names = models["stage2"]
    changed = moved(names, models["stage3-regions"])
    assert changed and changed <= of_part(names, "clip", "alpha", "adapter")
    assert of_part(names, "adapter", "alpha") <= changed
    before, after = (
        load_file(trained.root / name / HEADS_STATE) for name in ("stage3-regions", "stage3")
    )
    stages = trained.recipe.stages
    dense = [s for s in stages if s.objective == "dense"][-1].name
    head = load_file(trained.root / dense / STATE)
    assert all(
        torch.equal(before["convnext." + k.removeprefix("head.")], v)
        for k, v in head.items() if k.startswith("head.")
    )  # fmt: skip
    assert {n.partition(".")[0] for n in moved(before, after)} == {"convnext", "sam", "region"}


def test_stage_0_parts_are_in_the_model(trained: Trained, models: dict[str, Weights]) -> None:
    """Each part is the one that its last pretraining run has made."""
    places = {
        "dense": ("tower.", "model.convnext."),
        "clicks": ("dense.tower.", "model.sam."),
        "contrastive": ("clip.", "model.clip."),
        "text": ("model.", "model.language_model."),
    }
    for kind, (inside, outside) in places.items():
        stages = [s for s in trained.recipe.stages if s.objective == kind and not fits_decoder(s)]
        state = load_file(trained.root / stages[-1].name / STATE)
        mine = {k: v for k, v in state.items() if k.startswith(inside)}
        assert mine
        for name, value in mine.items():
            assert torch.equal(models["stage0"][outside + name.removeprefix(inside)], value), name


def test_the_click_decoder_is_fitted_to_the_finished_tower(
    trained: Trained, models: dict[str, Weights]
) -> None:
    state = load_file(trained.root / "stage3-clicks" / STATE)
    for name, value in models["stage3"].items():
        if name.startswith("model.sam."):
            assert torch.equal(state["dense.tower." + name.removeprefix("model.sam.")], value)
    before = load_file(trained.root / "stage0-sam-2" / STATE)
    changed = {n for n in state if not torch.equal(state[n], before[n])}
    assert {n for n in changed if n.startswith("decoder.")}
    assert not {n for n in changed if n.startswith("dense.head.")}


def test_a_finished_run_can_be_used(trained: Trained, pool: Pool) -> None:
    model = FineCaptionForConditionalGeneration.from_pretrained(trained.last)
    processor = FineCaptionProcessor.from_pretrained(trained.last)
    segmenter = Segmenter.from_pretrained(trained.last, model)
    picture = pool[0].hr
    click = segmenter.predict(segmenter.encode(picture), points=[(20, 30)])
    assert click.mask.shape == picture.shape[:2] and click.mask.any()
    inputs = {
        "input_ids": torch.tensor([processor.prompt_ids("Describe this region: Color.")]),
        "pixel_values": torch.tensor(picture).permute(2, 0, 1)[None],
        "pixel_values_clip": torch.tensor(pool[0].clip).permute(2, 0, 1)[None],
        "region_masks": torch.tensor(pool[0].masks[:1]),
    }
    ids = model.generate(**inputs, max_new_tokens=4, do_sample=False)
    assert isinstance(processor.answer(ids[0]), str)


def test_the_run_says_what_it_did(trained: Trained) -> None:
    assert trained.last == trained.root / "stage3"
    notes = json.loads((trained.last / "provenance.json").read_text())
    assert [n["stage"] for n in notes] == [s.name for s in trained.recipe.stages]
    for note, stage in zip(notes, trained.recipe.stages, strict=True):
        assert note["recipe"] == "smoke" and note["seed"] == 0
        assert (note["steps"], note["pictures"]) == (2, 4)
        assert note["trains"] == list(stage.trains) and note["lr"] == stage.lr
        assert note["train_loss"] > 0 and note["seconds"] >= 0 and note["hardware"]
    assert json.loads((trained.root / "recipe.json").read_text())["scenes"] == 4
    for stage in trained.recipe.stages:
        assert any(line.startswith(f"{stage.name}: 2 steps of 2; trains ") for line in trained.said)
        work = trained.root / "work" / stage.name
        assert not (work / "checkpoints").exists() and list((work / "log").iterdir())


def test_what_is_finished_is_not_run_again(
    trained: Trained, pool_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a stage was run again")

    monkeypatch.setattr("finecaption_synth.training.scratch.fit", never)
    said: list[str] = []
    assert (
        train_from_scratch(smoke(), trained.root, pool=pool_folder, say=said.append) == trained.last
    )
    done = [line for line in said if line.endswith(": done before")]
    assert len(done) == len(trained.recipe.stages)


class Killed(Exception):
    """Stands for a kill at a bad moment."""


def copy_forerunner(trained: Trained, root: Path, stage: str) -> None:
    """What a stage starts from."""
    root.mkdir()
    for name in {"stage2": ["stage1"], "stage3": ["stage3-regions"]}.get(stage, []):
        shutil.copytree(trained.root / name, root / name)
    for folder in trained.root.glob("stage0-*"):
        if folder.name != stage:
            shutil.copytree(folder, root / folder.name)


def tie_embeddings(folder: Path) -> None:
    """Makes a model's output weights its input embeddings."""
    config = json.loads((folder / "config.json").read_text())
    config["tie_word_embeddings"] = config["text_config"]["tie_word_embeddings"] = True
    (folder / "config.json").write_text(json.dumps(config))
    kept = {k: v for k, v in weights(folder).items() if k != "lm_head.weight"}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def result(root: Path, stage: str) -> Weights:
    folder = root / stage
    return load_file(folder / ("model.safetensors" if stage == "stage3" else STATE))


def killed_at(call: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes the collator of the next runs fail at its n-th batch; the answer mends it."""
    real = scratch.fit

    def failing(stage: Any, model: Any, feed: Any, objective: Any, *rest: Any, **more: Any) -> Any:
        batches: Iterator[int] = iter(range(1, call))
        collate = objective.collate

        def collating(chosen: Any) -> Any:
            if next(batches, None) is None:
                raise Killed
            return collate(chosen)

        objective.collate = collating
        return real(stage, model, feed, objective, *rest, **more)

    monkeypatch.setattr(scratch, "fit", failing)
    return lambda: monkeypatch.setattr(scratch, "fit", real)


@pytest.mark.parametrize(
    "stage, tied", [("stage0-sam", False), ("stage3", False), ("stage3", True)],
    ids=["stage0-sam", "stage3", "stage3 with tied embeddings"],
)  # fmt: skip
def test_a_run_that_was_killed_ends_as_if_it_had_not_been(
    stage: str, tied: bool, trained: Trained, pool_folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """stage0-sam draws its clicks from torch's stream, so that has to resume too."""
    recipe = override_recipe(smoke(), read_settings([f"{stage}.steps=4"]))

    def go(root: Path) -> None:
        train_from_scratch(recipe, root, pool=pool_folder, only=[stage], say=lambda text: None)

    straight, broken = tmp_path / "straight", tmp_path / "broken"
    for root in (straight, broken):
        copy_forerunner(trained, root, stage)
        if tied:  # as mini's are
            tie_embeddings(root / "stage3-regions")
    go(straight)
    mend = killed_at(4, monkeypatch)
    with pytest.raises(Killed):
        go(broken)
    assert not (broken / stage).exists()
    checkpoints = broken / "work" / stage / "checkpoints"
    newest = max(checkpoints.iterdir(), key=lambda p: int(p.name.rpartition("-")[2]))
    assert newest.name in ("checkpoint-2", "checkpoint-3")
    # A kill while the next one was written.
    torn = checkpoints / "checkpoint-4"
    shutil.copytree(newest, torn)
    (torn / "whole.json").write_text("{")
    mend()
    go(broken)
    assert not checkpoints.exists()
    once, twice = result(straight, stage), result(broken, stage)
    assert moved(once, twice) == set()
    if stage == "stage3":
        assert ("lm_head.weight" in twice) != tied
        assert moved(
            {k: v for k, v in weights(trained.root / "stage3-regions").items() if k in twice}, twice
        )


def test_another_seed_gives_another_model(
    trained: Trained, pool_folder: Path, tmp_path: Path
) -> None:
    recipe = smoke()
    stage = recipe.stage("stage0-llm")
    for seed in (0, 1):
        # The pool is of seed 0; the order and the weights are of the recipe's.
        run = ScratchRun(
            override_recipe(recipe, read_settings([f"seed={seed}"])),
            tmp_path / str(seed),
            pool_folder,
            print,
        )
        run.stage(stage.name)
    same = moved(result(trained.root, stage.name), result(tmp_path / "0", stage.name))
    other = moved(result(trained.root, stage.name), result(tmp_path / "1", stage.name))
    assert same == set() and len(other) > 5


@pytest.mark.parametrize(
    "only, message",
    [
        ("stage9", "recipe smoke has no stage 'stage9'"),
        ("stage1", "is missing: run stage0-convnext.* first"),
        ("stage2", "stage1 is missing: run stage1 first"),
        ("stage3-clicks", "stage3 is missing: run stage3 first"),
    ],
)
def test_stages_without_their_forerunner_are_refused(
    only: str, message: str, pool_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        train_from_scratch(smoke(), tmp_path, pool=pool_folder, only=[only], say=lambda text: None)


def test_the_pool_must_be_the_recipe_s(pool_folder: Path, tmp_path: Path) -> None:
    recipe: Recipe = override_recipe(smoke(), read_settings(["seed=3"]))
    with pytest.raises(InputError, match="holds a pool of .* use another folder"):
        train_from_scratch(
            recipe, tmp_path, pool=pool_folder, only=["stage0-llm"], say=lambda text: None
        )


def test_a_stage_that_was_run_does_not_change(
    trained: Trained, pool_folder: Path, tmp_path: Path
) -> None:
    root = tmp_path / "run"
    root.mkdir()
    for name in ("stage0-llm", "stage1"):
        shutil.copytree(trained.root / name, root / name)
    shutil.copy(trained.root / "recipe.json", root)
    for setting, said in (
        ("stage0-llm.lr=3e-4", "stage0-llm was run with another lr"),
        ("seed=3", "stage0-llm was run with another seed"),
    ):
        with pytest.raises(InputError, match=said):
            ScratchRun(override_recipe(smoke(), read_settings([setting])), root, pool_folder, print)
    later = override_recipe(smoke(), read_settings(["stage2.steps=3"]))
    ScratchRun(later, root, pool_folder, print)
    noted = json.loads((root / "recipe.json").read_text())["stages"]
    assert {s["name"]: s["steps"] for s in noted}["stage2"] == 3
