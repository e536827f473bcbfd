"""A word-level tokenizer built from a closed world's text, and its way back to proper writing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from .chat_templates import word_level_template

# In this order, so that ids are the same for every vocabulary (the presets' defaults rely on it).
SPECIAL_TOKENS = ("<pad>", "<bos>", "<eos>", "<image>", "<user>", "<assistant>", "<unk>")

# A word, with its inner hyphens and apostrophes ("picture-book", "woman's"), or one other sign.
_WORD = r"\w+(?:[-'’]\w+)*|[^\w\s]"

# Signs that hug the word before, the word after, or both, when tokens are joined by spaces.
_HUG_BEFORE = (".", ",", ";", ":", "!", "?", ")", "]", "%", "…")
_HUG_AFTER = ("(", "[", "#", "$")
_HUG_BOTH = ("/",)


def build_word_tokenizer(texts: Iterable[str], min_count: int = 1) -> PreTrainedTokenizerFast:
    """A tokenizer whose vocabulary is the words of `texts`.

    Text is lower-cased; words and signs are tokens. Decoding gives normal spacing in lower case;
    `prettify` puts the capitals back. The chat template is included, padding is on the left (for
    generation; training pads as it likes).

    Args:
        texts: everything the model shall read or write: prompts, captions.
        min_count: rarer words become `<unk>`.

    Returns:
        `<pad> <bos> <eos> <image> <user> <assistant> <unk>` are ids 0 to 6; then the words, the
        most frequent first, ties in alphabetical order: the same texts give the same ids.
    """
    normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.Lowercase(),
            # A straight quote does not say on which side it hugs; opening and closing ones do.
            normalizers.Replace(Regex(r'(?<![^\s(\[])"(?=\S)'), "“"),
            normalizers.Replace('"', "”"),
        ]
    )
    splitter = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(Regex(_WORD), behavior="isolated"),
        ]
    )
    counts: Counter[str] = Counter()
    for text in texts:
        pieces = splitter.pre_tokenize_str(normalizer.normalize_str(text))
        counts.update(word for word, _ in pieces)
    words = sorted((w for w, n in counts.items() if n >= min_count), key=lambda w: (-counts[w], w))
    vocab = {token: index for index, token in enumerate((*SPECIAL_TOKENS, *words))}

    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.Sequence(
        [
            # No token starts with this prefix: what remains is a space between tokens.
            decoders.WordPiece(prefix="\0", cleanup=False),
            decoders.Fuse(),
            *(decoders.Replace(f" {sign}", sign) for sign in (*_HUG_BEFORE, *_HUG_BOTH, "”")),
            *(decoders.Replace(f"{sign} ", sign) for sign in (*_HUG_AFTER, *_HUG_BOTH, "“")),
            decoders.Replace("“", '"'),
            decoders.Replace("”", '"'),
        ]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        additional_special_tokens=["<image>", "<user>", "<assistant>"],
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )
    fast.chat_template = word_level_template()
    return fast


__all__ = ["SPECIAL_TOKENS", "build_word_tokenizer"]
