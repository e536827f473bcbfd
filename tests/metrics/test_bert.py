"""BERTScore with a BERT of random weights, against the formula written out."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest

import finecaption.metrics.bert as module
from finecaption.metrics.bert import BertScore, folder_hash
from finecaption.metrics.captions import CaptionScorer
from finecaption.metrics.missing import Unavailable
from finecaption.metrics.text import Pair

WORDS = ["a", "the", "red", "blue", "cup", "dog", "is", "on", "table", "runs"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of three layers; "t5" is in its path on purpose."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    path = tmp_path_factory.mktemp("models") / "not-a-t5"
    path.mkdir()
    vocabulary = path / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=5 + len(WORDS), hidden_size=32, num_hidden_layers=3, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=16,
    )  # fmt: skip
    BertModel(config).save_pretrained(path)
    BertTokenizer.from_pretrained(path).save_pretrained(path)
    return path


def _by_hand(folder: Path, layer: int, hypothesis: str, reference: str) -> float:
    import torch
    from transformers import BertModel

    model = BertModel.from_pretrained(folder).eval()

    def vectors(text: str) -> torch.Tensor:
        ids = [2, *(5 + WORDS.index(w) for w in text.split()), 3]
        with torch.no_grad():
            states = model(torch.tensor([ids]), output_hidden_states=True).hidden_states
        inner = states[layer][0, 1:-1]
        return inner / inner.norm(dim=1, keepdim=True)

    close = vectors(hypothesis) @ vectors(reference).T  # (words, words)
    precision, recall = close.max(1).values.mean(), close.max(0).values.mean()
    return float(2 * precision * recall / (precision + recall))


def test_scores_are_those_of_the_formula(folder: Path) -> None:
    hypotheses = ["a red cup", "the dog runs", "", "a red cup is on the table " * 5]
    references = [
        ["the blue cup is on a table", "a red dog"], ["the dog runs"], ["a cup"], ["a red cup", ""],
    ]  # fmt: skip
    scorer = BertScore(folder, 2, device="cpu")
    score, each = scorer.score(hypotheses, references)
    best = max(_by_hand(folder, 2, hypotheses[0], r) for r in references[0])
    assert each[0] == pytest.approx(best, abs=1e-5)
    assert each[1] == pytest.approx(1, abs=1e-5)
    assert each[2] == 0 and 0 < each[3] < 1  # longer than the model's 16 places: cut
    assert score == pytest.approx(each.mean())
    assert BertScore(folder, 1, device="cpu").score(hypotheses[:1], references[:1])[0] != (
        pytest.approx(score, abs=1e-4)
    )
    assert BertScore(folder, 1).score([""], [["a"]])[0] == 0
    found = CaptionScorer(tokeniser="words", bert=folder, bert_layer=2, device="cpu").score(
        [Pair(h, tuple(r)) for h, r in zip(hypotheses, references, strict=True)]
    )
    assert found.corpus["BERTScore"] == pytest.approx(score)
    assert np.allclose(found.captions["BERTScore"], each)
    assert found.settings["bert"] == scorer.identity


def test_temporary_names_never_look_like_t5(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path_factory.mktemp("temporary")  # tmp_path has this test's own name in it
    # bert-score took one random name in 250 for a T5 model.
    names = iter(["at5b", "t5", "plain"])
    monkeypatch.setattr(tempfile, "_get_candidate_names", lambda: names)
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    with module._plain_path(folder) as path:
        assert path.parent.name == "model-plain" and path.resolve() == folder.resolve()
    assert next(names, None) is None and not path.exists()
    with module._plain_path(place) as path:
        assert path == place
    monkeypatch.setattr(tempfile, "tempdir", "/somewhere/t5/tmp")
    with pytest.raises(Unavailable, match="set TMPDIR"), module._plain_path(folder):
        pass


def test_the_variant_is_named_by_its_contents(folder: Path, tmp_path: Path) -> None:
    identity = BertScore(folder, 2).identity
    assert identity["sha256"] == folder_hash(folder) and len(identity["sha256"]) == 64
    assert (identity["model"], identity["layer"], identity["rescaled"]) == ("not-a-t5", 2, False)
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert folder_hash(copy) == identity["sha256"]
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(bytes(weights))
    assert folder_hash(copy) != identity["sha256"]


def test_a_hash_tells_where_one_file_ends_and_what_it_is_called(tmp_path: Path) -> None:
    found = set()
    for name, files in (("a", {"a.txt": "xy", "b.txt": ""}), ("b", {"a.txt": "x", "b.txt": "y"}),
                        ("c", {"a.txt": "xy", "c.txt": ""}), ("d", {"a.txt": "xy"})):  # fmt: skip
        (tmp_path / name).mkdir()
        for file, content in files.items():
            (tmp_path / name / file).write_text(content)
        found.add(folder_hash(tmp_path / name))
    assert len(found) == 4


def test_models_that_cannot_be_used_say_why(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no published layer is known for a bert of 3 layers"):
        BertScore(folder)
    with pytest.raises(Unavailable, match="has layers 1 to 3; layer 4 is not among them"):
        BertScore(folder, 4)
    with pytest.raises(Unavailable, match="holds no config.json"):
        BertScore(tmp_path)
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "bert", "num_hidden_layers": 12})
    )
    empty = BertScore(tmp_path)
    assert empty.layer == 9  # the published choice
    with pytest.raises(Unavailable, match="cannot be loaded"):
        empty.score(["a"], [["a"]])


@pytest.mark.parametrize(
    ("config", "own", "bounded"),
    [
        ({"max_position_embeddings": 512}, 10**30, 512),
        ({"max_position_embeddings": 512}, 100, 100),
        # RoBERTa counts positions from the padding id + 1
        ({"max_position_embeddings": 514, "model_type": "roberta", "pad_token_id": 1}, 10**30, 512),
        ({"max_position_embeddings": 514, "model_type": "xlm-roberta"}, 10**30, 513),
        ({"max_position_embeddings": 514, "pad_token_id": 1}, 10**30, 514),
        ({}, 10**30, 10**30),
    ],
)
def test_texts_are_cut_at_the_places_that_a_model_has(
    tmp_path: Path, config: dict[str, object], own: int, bounded: int
) -> None:
    class Tokenizer:
        model_max_length = own

    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "bert", "num_hidden_layers": 12, **config})
    )
    BertScore(tmp_path, 9)._bound_length(Tokenizer)
    assert Tokenizer.model_max_length == bounded


@pytest.mark.parametrize(
    ("kind", "depth", "layer"),
    [("bert", 12, 9), ("bert", 24, 18), ("roberta", 12, 10), ("roberta", 24, 17),
     ("distilbert", 6, 5)],
)  # fmt: skip
def test_layers_are_the_published_choices(
    tmp_path: Path, kind: str, depth: int, layer: int
) -> None:
    """bert_score/utils.py, model2layers."""
    name = "n_layers" if kind == "distilbert" else "num_hidden_layers"
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind, name: depth}))
    assert BertScore(tmp_path).layer == layer
    assert BertScore(tmp_path, 1).layer == 1 and BertScore(tmp_path, depth).layer == depth
    for other in (0, depth + 1):
        with pytest.raises(Unavailable, match=f"has layers 1 to {depth}"):
            BertScore(tmp_path, other)


def test_captions_without_words_and_references_have_no_score(folder: Path) -> None:
    scorer = BertScore(folder, 2, device="cpu")
    score, each = scorer.score(["a cup", " ", "a cup"], [["", "a cup"], ["a cup"], [" "]])
    assert each.tolist() == pytest.approx([1, 0, 0], abs=1e-5)
    assert score == pytest.approx(1 / 3, abs=1e-5)
    assert scorer.score([], [])[0] == 0
