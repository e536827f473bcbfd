from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from finecaption.model import build_word_tokenizer, prettify
from finecaption.model.tokenizer import SPECIAL_TOKENS

SENTENCES = [
    "A red vase.",
    "The woman's hat is blue, with a picture-book pattern.",
    'The sign says "open" (entity_id_3): 3/4 of it!',
    'Is it "old"? Yes; it is.',
    'He said: "come in."',
]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_word_tokenizer(SENTENCES)


def test_special_tokens_have_fixed_ids(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == list(range(7))
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (0, 1, 2)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_writing_comes_back(tokenizer: PreTrainedTokenizerFast, sentence: str) -> None:
    ids = tokenizer(sentence)["input_ids"]
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids) == sentence.lower()
    assert prettify(tokenizer.decode(ids)) == sentence


def test_words_are_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.tokenize("The woman's picture-book, red.") == [
        "the",
        "woman's",
        "picture-book",
        ",",
        "red",
        ".",
    ]
    assert tokenizer.tokenize("a purple vase") == ["a", "<unk>", "vase"]


def test_the_same_texts_give_the_same_ids() -> None:
    first, second = build_word_tokenizer(SENTENCES), build_word_tokenizer(reversed(SENTENCES))
    assert first.get_vocab() == second.get_vocab()
    assert len(build_word_tokenizer(["a a b"], min_count=2)) == len(SPECIAL_TOKENS) + 1


def test_save_and_load(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text = "<bos><user><image>A red vase.<assistant>"
    assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert again.chat_template == tokenizer.chat_template
    ids = tokenizer(SENTENCES[2])["input_ids"]
    assert again.decode(ids) == SENTENCES[2].lower()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a red vase. it is old.", "A red vase. It is old."),
        ("  is it?  yes! 3 cats. (two) ", "Is it? Yes! 3 cats. (Two)"),
        ('"open" it says', '"Open" it says'),
        ("", ""),
        ("a 2.5 m wall", "A 2.5 m wall"),
    ],
)
def test_prettify(text: str, expected: str) -> None:
    assert prettify(text) == expected
