"""Given values scored instead of free writing: which of these fits the region best?

A value is scored as the model would say it. Without a template, the model first answers freely; if
the answer has one of the choices, the others are put in its place. If not, each choice is put in
the place of every run of up to `_LONGEST_SLOT` words, and its probability is the sum over these
sentences: places where a value does not belong have next to none. With a template ("The hat is
{choice}."), that sentence alone is scored.

The prefix (image tokens and question) goes through the model once. All sentences follow in one pass
as a tree of tokens: beginnings that they share are computed once, each token sees the prefix and
its own ancestors, and nothing of the prefix is copied.

Legend: T image tokens per region, D the language model's width, P tokens of the prefix, L nodes.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from transformers.cache_utils import DynamicCache

from finecaption.attributes import region_instruction, resolve_attribute
from finecaption.errors import InputError
from finecaption.model import FineCaptionForConditionalGeneration, FineCaptionProcessor
from finecaption.request import Questions
from finecaption.types import Region

from .batch_decoder import answers
from .prepare import EncodedImage, collate_requests, prepare_request
from .sampling import not_finite

Normalize = Literal["sum", "mean"]
"""sum: log-probability of the whole sentence; mean: of a token of it, on average."""

SLOT = "{choice}"
_LONGEST_SLOT = 3  # words of the free answer that a choice may take the place of
_NODES = 2048  # tokens of sentences that go through the model at once


class UnknownWord(UserWarning):
    """A choice has a word that the model's vocabulary lacks."""


@dataclass(frozen=True)
class ChoiceScores:
    """What the model gives each choice, in the order given."""

    choices: tuple[str, ...]
    """Each once."""
    logprobs: tuple[float, ...]
    """Natural; of the sentence, or summed over sentences; -inf for unknown words."""
    unknown: tuple[str, ...] = ()
    """Choices of which the tokenizer does not know a word."""
    sentences: tuple[tuple[str, ...], ...] = ()
    """What was scored of each choice."""

    @property
    def probabilities(self) -> dict[str, float]:
        """Choice -> probability given that one of them is said; they sum to 1. Best first."""
        values = np.asarray(self.logprobs, np.float64)
        weights = np.exp(values - values.max())
        shares = weights / weights.sum()
        order = np.argsort(-shares, kind="stable")
        return {self.choices[at]: float(shares[at]) for at in order}


def check_choices(choices: Sequence[str]) -> tuple[str, ...]:
    """The choices trimmed, each once (case does not count; the first spelling stays).

    Raises:
        InputError: no list, an empty one, or an entry that is not text or empty.
    """
    if isinstance(choices, str) or not isinstance(choices, Sequence):
        raise InputError(f"choices: must be a list of texts; got {choices!r}")
    kept: dict[str, str] = {}
    for number, choice in enumerate(choices):
        if not isinstance(choice, str) or not choice.strip():
            raise InputError(f"choices[{number}]: must be text that is not empty; got {choice!r}")
        text = " ".join(choice.split())
        kept.setdefault(text.casefold(), text)
    if not kept:
        raise InputError("choices: none given; give at least one value")
    return tuple(kept.values())


def check_template(template: str) -> str:
    """The template, if it has the slot once.

    Raises:
        InputError: it has not.
    """
    if not isinstance(template, str) or template.count(SLOT) != 1:
        raise InputError(
            f"template: must contain {SLOT} once, as in 'The hat is {SLOT}.'; got {template!r}"
        )
    return template


def fill(template: str, choice: str) -> str:
    """The template with a choice in its slot; "a" and "an" before it, and a capital, agree."""
    before, _, after = template.partition(SLOT)
    article = re.search(r"\b([Aa])n?( )$", before)
    if article is not None and choice[0].isalpha():
        n = "n" if choice[0].lower() in "aeiou" else ""
        before = f"{before[: article.start()]}{article[1]}{n} "
    if not before.strip():
        choice = choice[:1].upper() + choice[1:]
    return f"{before}{choice}{after}"


def slots(answer: str, choices: Sequence[str] = ()) -> list[str]:
    """Templates from a free answer: where it says one of the choices, the slot is there.

    Otherwise each run of 1 to `_LONGEST_SLOT` words gives a template.
    """
    words = list(re.finditer(r"\w+(?:[-'’]\w+)*", answer))
    wanted = {choice.casefold() for choice in choices}
    longest = max([_LONGEST_SLOT, *(len(choice.split()) for choice in wanted)])
    exact, every = [], []
    for first in range(len(words)):
        for last in range(first, min(first + longest, len(words))):
            start, end = words[first].start(), words[last].end()
            template = answer[:start] + SLOT + answer[end:]
            if answer[start:end].casefold() in wanted:
                exact.append((last - first, template))
            if last - first < _LONGEST_SLOT:
                every.append(template)
    if exact:  # "striped sweater" rather than "striped"
        most = max(length for length, _ in exact)
        return [template for length, template in exact if length == most]
    return every or [SLOT]


def answer_ids(
    processor: FineCaptionProcessor, instruction: str, answers: Sequence[str]
) -> tuple[list[int], list[list[int]]]:
    """Token ids of the prompt (with T placeholders), and of each answer with the turn's end.

    Raises:
        ValueError: the chat template does not put an answer right behind the prompt.
    """
    prompt = processor.prompt_ids(instruction)
    out = []
    for text in answers:
        ids = processor.prompt_ids(instruction, text)
        if ids[: len(prompt)] != prompt or len(ids) == len(prompt):
            raise ValueError("the chat template does not put the answer right behind the prompt.")
        out.append(ids[len(prompt) :])
    return prompt, out


class _Tree:
    """Token sequences behind one first token, beginnings that they share stored once."""

    def __init__(self, first: int) -> None:
        self.tokens, self.parents, self.depths = [first], [-1], [0]
        self._children: dict[tuple[int, int], int] = {}

    def add(self, tokens: Sequence[int]) -> list[int]:
        """The nodes of a sequence."""
        at, path = 0, []
        for token in tokens:
            child = self._children.get((at, token))
            if child is None:
                child = self._children[at, token] = len(self.tokens)
                self.tokens.append(token)
                self.parents.append(at)
                self.depths.append(self.depths[at] + 1)
            at = child
            path.append(at)
        return path

    def attention_mask(self) -> torch.Tensor:
        """bool (L, L): whether a column's node is the row's own or an ancestor of it."""
        out = np.eye(len(self.tokens), dtype=bool)
        for node, parent in enumerate(self.parents[1:], 1):
            out[node] |= out[parent]
        return torch.from_numpy(out)


@torch.inference_mode()
def token_logprobs(
    model: FineCaptionForConditionalGeneration,
    region_features: torch.Tensor,
    prompt: Sequence[int],
    answers: Sequence[Sequence[int]],
    max_nodes: int = _NODES,
) -> list[list[float]]:
    """Natural log-probabilities of the tokens of some answers to one prompt on one region.

    Args:
        region_features: (1, T, D) or (T, D) from `encode_regions`.
        prompt: token ids, T placeholders among them, the last one none.
        answers: token ids behind the prompt, none empty.
        max_nodes: tokens that go through the model at once (one answer always does).

    Returns:
        For each answer, one number per token; float32 arithmetic in the softmax.
    """
    if not prompt or prompt[-1] == model.config.image_token_id:
        raise ValueError("the prompt must end in a token that is no image placeholder.")
    device = model.device
    length = len(prompt) - 1
    cache = DynamicCache()
    model.model(  # without the LM head: the prefix's logits are not needed
        input_ids=torch.tensor([list(prompt[:-1])], device=device),
        region_features=region_features.reshape(1, *region_features.shape[-2:]).to(device),
        past_key_values=cache,
        use_cache=True,
    )
    out: list[list[float]] = []
    for tree, paths in _trees(prompt[-1], answers, max_nodes):
        count = len(tree.tokens)
        blocked = torch.finfo(model.dtype).min
        mask = torch.zeros(count, length + count, dtype=model.dtype)
        mask[:, length:].masked_fill_(~tree.attention_mask(), blocked)
        positions = torch.tensor([tree.depths], device=device) + length
        hidden = model.model(
            input_ids=torch.tensor([tree.tokens], device=device),
            attention_mask=mask[None, None].to(device),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state[0]  # (L, D)
        cache.crop(-count)
        parents = torch.tensor(tree.parents[1:], device=device)
        inner, place = parents.unique(return_inverse=True)
        scores = model.lm_head(hidden[inner]).float().log_softmax(-1)
        tokens = torch.tensor(tree.tokens[1:], device=device)
        of_node = [0.0, *scores[place, tokens].tolist()]
        if not all(map(math.isfinite, of_node)):
            raise not_finite()
        out += [[of_node[node] for node in path] for path in paths]
    return out


def _trees(
    first: int, answers: Sequence[Sequence[int]], limit: int
) -> list[tuple[_Tree, list[list[int]]]]:
    out: list[tuple[_Tree, list[list[int]]]] = []
    for tokens in answers:
        if not tokens:
            raise ValueError("an answer has no tokens.")
        if not out or len(out[-1][0].tokens) + len(tokens) > limit:
            out.append((_Tree(first), []))
        tree, paths = out[-1]
        paths.append(tree.add(tokens))
    return out


def score_choices(
    model: FineCaptionForConditionalGeneration,
    processor: FineCaptionProcessor,
    region_features: torch.Tensor,
    instruction: str,
    choices: Sequence[str],
    *,
    templates: Sequence[str] = (SLOT,),
    normalize: Normalize = "sum",
) -> ChoiceScores:
    """Log-probabilities of given values as answers to one question on one region.

    Args:
        region_features: (1, T, D) or (T, D) from `encode_regions`.
        instruction: the user's text (`finecaption.attributes`).
        choices: values, in words.
        templates: sentences with the slot {choice}; a choice's probability is the sum over them.
        normalize: "sum" weighs whole sentences, "mean" by the token, so that long values are not
            at a disadvantage. On synthetic scenes "sum" is right more often (docs/confidence.md).

    Raises:
        InputError: choices or templates that cannot be used; all of the choices unknown.
    """
    given = check_choices(choices)
    for template in templates:
        check_template(template)
    known = _known(processor, given)
    texts = [tuple(dict.fromkeys(fill(t, choice) for t in templates)) for choice in known]
    flat = [text for own in texts for text in own]
    prompt, ids = answer_ids(processor, instruction, flat)
    marks = [
        sum(each) / (len(each) if normalize == "mean" else 1)
        for each in token_logprobs(model, region_features, prompt, ids)
    ]
    found: dict[str, float] = {}
    said: dict[str, tuple[str, ...]] = {}
    at = 0
    for choice, own in zip(known, texts, strict=True):
        found[choice] = float(np.logaddexp.reduce(np.asarray(marks[at : at + len(own)])))
        said[choice] = own
        at += len(own)
    return ChoiceScores(
        given,
        tuple(found.get(choice, float("-inf")) for choice in given),
        tuple(choice for choice in given if choice not in found),
        tuple(said.get(choice, ()) for choice in given),
    )


def _known(processor: FineCaptionProcessor, choices: Sequence[str]) -> list[str]:
    """The choices of which the tokenizer knows every word."""
    unk = processor.tokenizer.unk_token_id
    if unk is None:
        return list(choices)
    ids = processor.tokenizer(list(choices), add_special_tokens=False)["input_ids"]
    known = [choice for choice, own in zip(choices, ids, strict=True) if unk not in own]
    if not known:
        raise InputError(
            f"choices: the model's vocabulary has none of {', '.join(choices)}; give other words"
        )
    return known


def choose(
    model: FineCaptionForConditionalGeneration,
    processor: FineCaptionProcessor,
    encoded: EncodedImage,
    region: Region,
    attribute: str,
    choices: Sequence[str],
    *,
    template: str | Sequence[str] | None = None,
) -> ChoiceScores:
    """Scores given values of one attribute of one region.

    Args:
        attribute: a name (see `finecaption.attributes`).
        choices: the values, in words.
        template: one or several sentences with {choice} in the place of the value; None: the
            model's own free answer shows how it would say it.

    Raises:
        InputError: unusable attribute, choices or template; all choices unknown.

    Warns:
        UnknownWord: choices with words that the vocabulary lacks; their probability is 0.
    """
    name = resolve_attribute(attribute).name
    given = check_choices(choices)
    templates = [template] if isinstance(template, str) else list(template or ())
    for text in templates:
        check_template(text)
    _known(processor, given)  # before the work
    question = Questions((name,))
    inputs = collate_requests(processor, [prepare_request(processor, encoded, [region], question)])
    if not templates:
        (free,) = answers(model, processor, inputs, [[region_instruction(name)]])
        templates = slots(free[0].text, given)
    features = region_features(model, inputs)
    scores = score_choices(
        model, processor, features, region_instruction(name), given, templates=templates
    )
    if scores.unknown:
        warnings.warn(
            f"the model does not know the words of: {', '.join(scores.unknown)}; "
            "their probability is given as 0",
            UnknownWord,
            stacklevel=2,
        )
    return scores


@torch.inference_mode()
def region_features(
    model: FineCaptionForConditionalGeneration, inputs: Mapping[str, torch.Tensor]
) -> torch.Tensor:
    """(R, T, D): image tokens of the regions of `prepare.collate_requests`' inputs."""
    names = ("pixel_values_clip", "region_masks", "hr_features", "image_index")
    clip, masks, high, index = (inputs[name].to(model.device) for name in names)
    found: torch.Tensor = model.encode_regions(clip, masks, high, index)
    return found


__all__ = [
    "SLOT",
    "ChoiceScores",
    "UnknownWord",
    "answer_ids",
    "check_choices",
    "check_template",
    "choose",
    "fill",
    "region_features",
    "score_choices",
    "slots",
    "token_logprobs",
]
