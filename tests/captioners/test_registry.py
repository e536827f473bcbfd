"""From names to captioners, without a network."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from finecaption import FineCaption
from finecaption.captioners import TABLE_2, ModelSpec, find_folder, open_captioner
from finecaption.captioners.checkpoint import TransformersCaptioner
from finecaption.captioners.served import ServedCaptioner, parse_address
from finecaption.captioners.table2 import CHECKPOINTS, OPENAI_MODELS, REASONS
from finecaption.errors import InputError
from finecaption.eval.published import TABLE_2 as PUBLISHED


@pytest.fixture(autouse=True)
def no_models_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of downloads."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def test_every_row_of_the_paper_runs_or_says_why_not() -> None:
    assert [row.title for row in TABLE_2] == list(PUBLISHED)
    for row in TABLE_2:
        named = row.model in CHECKPOINTS or row.model in OPENAI_MODELS
        assert named != (row.model in REASONS), row.title
        assert row.runs == (named and row.setting == "zero-shot"), row.title
        assert row.runs or len(row.reason) > 40


@pytest.mark.parametrize("name", [*CHECKPOINTS, "Qwen/Qwen2-VL-7B-Instruct"])
def test_named_models_are_looked_for_on_this_machine_only(name: str) -> None:
    with pytest.raises(InputError, match="is not on this machine; allow the download, or give"):
        open_captioner(name)


def test_a_model_in_the_cache_is_found(
    no_models_here: Path, tiny_checkpoint: Callable[[str], Path]
) -> None:
    repository = no_models_here / "models--Qwen--Qwen2-VL-7B-Instruct"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / "abc").symlink_to(tiny_checkpoint("qwen2-vl"))
    captioner = open_captioner("qwen2-vl-7b")
    assert isinstance(captioner, TransformersCaptioner)
    assert captioner.name == "qwen2-vl-7b" and captioner.family.name == "qwen2-vl"
    by_repository = open_captioner("Qwen/Qwen2-VL-7B-Instruct")
    assert isinstance(by_repository, TransformersCaptioner)
    assert by_repository.name == "Qwen2-VL-7B-Instruct"
    assert by_repository.identity["sha256"] == captioner.identity["sha256"]


@pytest.mark.parametrize("name", list(REASONS))
def test_models_that_cannot_be_run_say_why(name: str) -> None:
    with pytest.raises(InputError, match="cannot be run by its name: .{40}"):
        open_captioner(name)


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean qwen2-vl-7b"):
        open_captioner("qwen2vl-7b")
    with pytest.raises(InputError, match="no such model or folder; names: finecaption-mini"):
        open_captioner("zzz")
    with pytest.raises(InputError, match="holds no config.json"):
        open_captioner(str(tmp_path))


def test_ours(tiny_folder: Path) -> None:
    captioner = open_captioner("finecaption-mini")
    assert isinstance(captioner, FineCaption)
    spec = ModelSpec("finecaption-mini")
    assert captioner.identity == spec.identity and spec.identity["name"] == "finecaption-mini"
    assert spec.ours and spec.clicks and not ModelSpec(str(tiny_folder)).clicks
    assert pickle.loads(pickle.dumps(spec)).identity == spec.identity
    assert find_folder("finecaption-mini").name == "finecaption-mini"
    tiny = ModelSpec(str(tiny_folder), "cpu", max_new_tokens=3).open()
    assert isinstance(tiny, FineCaption) and tiny.max_new_tokens == 3
    with pytest.raises(InputError, match="takes the mask itself"):
        open_captioner("finecaption-mini", shown="box")
    with pytest.raises(InputError, match="max_new_tokens: is 0"):
        open_captioner("finecaption-mini", max_new_tokens=0)


def test_specs_of_others_need_no_weights(
    tiny_checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = ModelSpec(str(tiny_checkpoint("internvl")), "cpu")
    monkeypatch.setattr(TransformersCaptioner, "_load", None)
    assert spec.identity["kind"] == "transformers" and not spec.ours and not spec.clicks
    pytest.importorskip("openai")
    served = ModelSpec("openai:m@http://localhost:8000/v1")
    assert served.folder is None and not served.ours
    assert served.identity["kind"] == "openai"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("openai:m@http://localhost:8000/v1", ("m", "http://localhost:8000/v1")),
        ("openai:m@http://localhost:8000", ("m", "http://localhost:8000/v1")),
        ("openai:a/b:c@https://x.org/openai/", ("a/b:c", "https://x.org/openai/")),
        ("openai:me@there@http://h/v1", ("me@there", "http://h/v1")),
    ],
)
def test_addresses(name: str, wanted: tuple[str, str]) -> None:
    assert parse_address(name) == wanted


@pytest.mark.parametrize(
    "name", ["openai:m", "openai:@http://h", "openai:m@ftp://h", "openai:m@http:"]
)
def test_bad_addresses(name: str) -> None:
    with pytest.raises(InputError, match="must be openai:MODEL@ADDRESS"):
        open_captioner(name)


def test_gpt_4o_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(InputError, match="needs a key in OPENAI_API_KEY"):
        open_captioner("gpt-4o")
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    captioner = open_captioner("gpt-4o", max_new_tokens=99)
    assert isinstance(captioner, ServedCaptioner)
    assert captioner.identity["region"] == "box" and captioner.client.max_tokens == 99
    assert "secret" not in str(captioner.identity)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1/v1")
    assert open_captioner("gpt-4o").identity["settings"]["address"] == "http://localhost:1/v1"
