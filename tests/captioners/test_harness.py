"""The lmms-eval plugin, as far as it goes without lmms-eval, which brings torchvision."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from finecaption.attributes import dense_instruction, global_instruction, region_instruction
from finecaption.captioners.harness import TASKS, lmms_plugin, refcocog
from finecaption.errors import InputError

SQUARE = [10.0, 10.0, 30.0, 10.0, 30.0, 20.0, 10.0, 20.0]


@pytest.fixture
def doc() -> dict[str, Any]:
    return {
        "image": Image.new("RGB", (60, 40), (90, 90, 90)),
        "segmentation": SQUARE,
        "bbox": [10.0, 10.0, 20.0, 10.0],
        "answer": ["a red cup", "the cup"],
    }


@pytest.fixture
def model_module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`lmms_model` on a stand-in for the two names of lmms-eval that are used."""

    class Lmms:
        def __init__(self) -> None:
            self.task_dict: dict[str, Any] = {}
            self.cache_hook = SimpleNamespace(add_partial=lambda *a: kept.append(a))

    kept: list[Any] = []
    for name in ("lmms_eval", "lmms_eval.api", "lmms_eval.models"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    api = ModuleType("lmms_eval.api.model")
    api.lmms = Lmms  # type: ignore[attr-defined]  # a stand-in
    registry = ModuleType("lmms_eval.models.registry_v2")
    registry.ModelManifest = SimpleNamespace  # type: ignore[attr-defined]  # a stand-in
    monkeypatch.setitem(sys.modules, api.__name__, api)
    monkeypatch.setitem(sys.modules, registry.__name__, registry)
    name = "finecaption.captioners.harness.lmms_model"
    monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module(name)
    monkeypatch.delitem(sys.modules, name)
    return SimpleNamespace(module=module, kept=kept)


def test_the_manifest_names_a_class_that_is_there(model_module: Any) -> None:
    manifest = lmms_plugin.manifest()
    assert manifest.model_id == "finecaption"
    path, _, name = manifest.simple_class_path.rpartition(".")
    assert path == model_module.module.__name__ and hasattr(model_module.module, name)


def test_the_model_describes_the_opaque_part(
    model_module: Any, doc: dict[str, Any], tiny_folder: Path
) -> None:
    model = model_module.module.LmmsFineCaption(
        pretrained=str(tiny_folder), device="cpu", batch_size="2", max_new_tokens=6, max_batch=1
    )
    model.task_dict = {"t": {"val": [doc]}}
    settings = {"shown": "alpha"}
    text = refcocog.doc_to_text(doc, settings)
    args = (text, {}, lambda d: refcocog.doc_to_visual(d, settings), 0, "t", "val")
    (told,) = model.generate_until([SimpleNamespace(args=args)])
    (wanted,) = model.captioner.caption(
        doc["image"], mask=refcocog.region_mask(doc), attributes="sentence", max_new_tokens=6
    ).regions
    assert [told] == list(wanted.captions.values())
    assert model_module.kept == [("generate_until", (text, {}), told)]
    for refused in (model.loglikelihood, model.generate_until_multi_round):
        with pytest.raises(InputError, match="finecaption: "):
            refused([])


def test_questions_are_read_back(model_module: Any, doc: dict[str, Any]) -> None:
    request_of = model_module.module.request_of
    (shown,) = refcocog.doc_to_visual(doc, {"shown": "alpha"})
    asked = request_of(region_instruction("Body Pose/Gesture"), [shown], "t")
    assert asked.questions.names == ("Body Pose/Gesture",)
    assert np.array_equal(asked.regions[0].mask, refcocog.region_mask(doc))
    assert np.array_equal(np.asarray(asked.image), np.asarray(doc["image"]))
    assert request_of(dense_instruction(), [shown], "t").questions.names == ("dense",)
    assert request_of(global_instruction(), [doc["image"]], "t").questions.names == ("global",)
    for context, pictures in (
        ("What is the man doing?", [shown]),
        (dense_instruction(), [doc["image"]]),
        (dense_instruction(), [shown, shown]),
    ):
        with pytest.raises(InputError, match="t: "):
            request_of(context, pictures, "t")


@pytest.mark.parametrize(
    ("change", "area"),
    [
        ({}, 200),
        ({"segmentation": [SQUARE, [50.0, 30.0, 60.0, 30.0, 60.0, 40.0, 50.0, 40.0]]}, 300),
        ({"segmentation": [1.0, 1.0]}, 200),  # broken: the box stands in
    ],
)
def test_the_region_is_the_mask(doc: dict[str, Any], change: dict[str, Any], area: int) -> None:
    mask = refcocog.region_mask({**doc, **change})
    assert mask.shape == (40, 60) and mask.sum() == area


def test_other_models_see_the_contour(doc: dict[str, Any]) -> None:
    (drawn,) = refcocog.doc_to_visual(doc)
    red = (np.asarray(drawn) == (255, 0, 0)).all(axis=2)
    assert drawn.mode == "RGB" and red.any() and not red[14:17, 14:27].any()
    assert refcocog.doc_to_text(doc).startswith("Describe the region within the red mask contour")


def test_scores(
    doc: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    without_meteor: Callable[[pytest.MonkeyPatch], None],
) -> None:
    without_meteor(monkeypatch)
    rows = [refcocog.process_results(doc, ["a red cup"]), refcocog.process_results(doc, [])]
    assert set(rows[0]) == {f"finecaption_{name}" for name in refcocog.COLUMNS}
    right, wrong = ([row["finecaption_BLEU-1"]] for row in rows)
    assert refcocog.bleu_1(right) == pytest.approx(1) and refcocog.rouge_l(right) == 1
    assert refcocog.bleu_1(wrong) == refcocog.cider(right) == 0  # one document has no idf


class _Loader(yaml.SafeLoader):
    """Reads `!function` as lmms-eval does: module and name."""


def _function(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    path, _, name = str(loader.construct_scalar(node)).rpartition(".")  # type: ignore[arg-type]  # a scalar
    return getattr(importlib.import_module(path), name)


_Loader.add_constructor("!function", _function)


def test_task_files() -> None:
    base = yaml.load((TASKS / "_refcocog_mask_yaml").read_text(), _Loader)
    named = {entry["metric"] for entry in base["metric_list"]}
    assert named == {f"finecaption_{name}" for name in refcocog.COLUMNS}
    assert all(callable(entry["aggregation"]) for entry in base["metric_list"])
    assert base["doc_to_visual"] is refcocog.doc_to_visual
    assert base["lmms_eval_specific_kwargs"][lmms_plugin.MODEL] == {"shown": "alpha"}
    tasks = [yaml.safe_load(path.read_text()) for path in sorted(TASKS.glob("refcocog*.yaml"))]
    assert [task["test_split"] for task in tasks] == ["test", "val"]
    group = yaml.safe_load((TASKS / "_refcocog_mask.yaml").read_text())
    assert sorted(group["task"]) == [task["task"] for task in tasks]
    assert all((TASKS / task["include"]).is_file() for task in tasks)
