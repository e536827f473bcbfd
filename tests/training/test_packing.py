from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.modeling import FineCaptionForConditionalGeneration
from finecaption.model.presets import tiny
from finecaption.training.packing import (
    NO_LOSS,
    Packed,
    block_mask,
    collate_packed,
    common_prefix,
    pack,
    pack_dialogs,
)

# Two regions of two pictures, with 3 and 1 questions: (own prompt tokens, answer tokens).
QUESTIONS = [
    [([20, 21], [30, 31, 32, 2]), ([22], [33, 2]), ([20, 23, 24], [34, 35, 36, 37, 38, 2])],
    [([25], [39, 40, 2])],
]


@pytest.fixture(scope="module")
def model() -> FineCaptionForConditionalGeneration:
    torch.manual_seed(0)
    model = FineCaptionForConditionalGeneration(tiny())
    assert model.clip.alpha is not None
    nn.init.normal_(model.clip.alpha.weight, std=0.2)
    return model


def prompts_of(config: FineCaptionConfig) -> list[list[tuple[list[int], list[int]]]]:
    """Whole prompts and answers of QUESTIONS."""
    prefix = [1, 4, *[config.image_token_id] * config.image_seq_length, 8, 9]
    return [[([*prefix, *p], a) for p, a in questions] for questions in QUESTIONS]


def packed_rows(config: FineCaptionConfig) -> list[Packed]:
    return [pack([p for p, _ in q], [a for _, a in q]) for q in prompts_of(config)]


def separate_batch(config: FineCaptionConfig) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Every question as a sequence of its own, plainly padded; and the region of each."""
    rows = [(k, p, a) for k, q in enumerate(prompts_of(config)) for p, a in q]
    length = max(len(p) + len(a) for _, p, a in rows)

    def padded(values: Sequence[int], filler: int) -> list[int]:
        return [*values, *[filler] * (length - len(values))]

    batch = {
        "input_ids": torch.tensor([padded([*p, *a], 0) for _, p, a in rows]),
        "attention_mask": torch.tensor([padded([1] * (len(p) + len(a)), 0) for _, p, a in rows]),
        "labels": torch.tensor([padded([NO_LOSS] * len(p) + a, NO_LOSS) for _, p, a in rows]),
    }
    return batch, torch.tensor([k for k, _, _ in rows])


def gradients(
    module: nn.Module, loss: torch.Tensor, *leaves: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Of the parameters that the loss depends on, and of the leaves."""
    module.zero_grad()
    for leaf in leaves:
        leaf.grad = None
    loss.backward()
    named = dict(module.named_parameters()) | {f"leaf {i}": t for i, t in enumerate(leaves)}
    return {n: p.grad.clone() for n, p in named.items() if p.grad is not None}


def assert_same(
    a: tuple[torch.Tensor, dict[str, torch.Tensor]],
    b: tuple[torch.Tensor, dict[str, torch.Tensor]],
    tolerance: float,
) -> None:
    assert a[0].item() == pytest.approx(b[0].item(), abs=tolerance)
    assert a[1].keys() == b[1].keys()
    for name, grad in a[1].items():
        torch.testing.assert_close(grad, b[1][name], atol=tolerance, rtol=tolerance, msg=name)
    assert max(g.abs().max().item() for g in a[1].values()) > 100 * tolerance


def test_loss_and_gradients_are_those_of_separate_samples(
    model: FineCaptionForConditionalGeneration,
) -> None:
    """The whole model, pictures and masks included, in single precision."""
    config = model.config
    generator = torch.Generator().manual_seed(1)

    def pixels(*shape: int) -> torch.Tensor:
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)

    pictures = {
        "pixel_values": pixels(2, 3, config.image_size, config.image_size),
        "pixel_values_clip": pixels(2, 3, config.clip_size, config.clip_size),
    }
    masks = pixels(2, config.clip_size, config.clip_size)
    separate, region = separate_batch(config)
    loss = model(**pictures, region_masks=masks[region], image_index=region, **separate).loss
    apart = loss, gradients(model, loss)
    packed = collate_packed(packed_rows(config), 0)
    loss = model(**pictures, region_masks=masks, image_index=torch.arange(2), **packed).loss
    together = loss, gradients(model, loss)
    assert_same(together, apart, 1e-5)
    assert {n.partition(".")[0] for n in together[1]} == {"model", "lm_head"}
    assert "model.clip.alpha.weight" in together[1]


def test_loss_and_gradients_agree_to_the_last_digits_in_double_precision(
    model: FineCaptionForConditionalGeneration,
) -> None:
    """From the image tokens on (pixels are normalised in single precision)."""
    config = model.config
    double = FineCaptionForConditionalGeneration(config).double()
    double.load_state_dict(model.state_dict())
    width = config.text_config.hidden_size
    generator = torch.Generator().manual_seed(2)
    shape = (2, config.image_seq_length, width)
    tokens = torch.randn(shape, dtype=torch.float64, generator=generator, requires_grad=True)
    separate, region = separate_batch(config)
    loss = double(region_features=tokens[region], **separate).loss
    apart = loss, gradients(double, loss, tokens)
    loss = double(region_features=tokens, **collate_packed(packed_rows(config), 0)).loss
    together = loss, gradients(double, loss, tokens)
    # Llama's rotary angles and its loss are single precision whatever the weights are.
    assert_same(together, apart, 1e-7)
    assert "leaf 0" in together[1]


def test_a_question_does_not_see_its_neighbours(
    model: FineCaptionForConditionalGeneration,
) -> None:
    config = model.config
    row = packed_rows(config)[0]
    other = pack(
        [p for p, _ in prompts_of(config)[0]],
        [a if k == 1 else [50] * len(a) for k, (_, a) in enumerate(prompts_of(config)[0])],
    )
    tokens = torch.randn(1, config.image_seq_length, config.text_config.hidden_size)
    with torch.no_grad():
        logits = [
            model(region_features=tokens, **collate_packed([r], 0)).logits[0] for r in (row, other)
        ]
    same = torch.tensor(row.segments) == 2
    torch.testing.assert_close(logits[0][same], logits[1][same])
    changed = torch.tensor(row.segments) == 3
    assert not torch.allclose(logits[0][changed], logits[1][changed])


TALK = [([20, 21], [30, 31, 2]), ([4, 22, 5], [33, 2]), ([4, 23, 24, 5], [34, 35, 2])]


def test_a_conversation_beside_single_questions_has_the_loss_of_separate_samples(
    model: FineCaptionForConditionalGeneration,
) -> None:
    """Single questions see the prefix alone, later turns the earlier ones; answers are learned."""
    config = model.config
    prefix = [1, 4, *[config.image_token_id] * config.image_seq_length, 8, 9]
    first, *later = TALK
    talk = [([*prefix, *first[0]], first[1]), *later]
    single = [[([*prefix, *p], a)] for p, a in QUESTIONS[0]]
    row = pack_dialogs([*single[:1], talk, *single[1:]])
    apart = [pack_dialogs([d]) for d in (*single, talk)]
    batch = {
        "input_ids": [r.input_ids for r in apart],
        "labels": [r.labels for r in apart],
        "attention_mask": [[1] * len(r) for r in apart],
    }
    assert all(r.position_ids == list(range(len(r))) for r in apart)  # plain sequences
    length = max(map(len, apart))
    fillers = {"input_ids": 0, "labels": NO_LOSS, "attention_mask": 0}
    plain = {
        k: torch.tensor([[*v, *[fillers[k]] * (length - len(v))] for v in rows])
        for k, rows in batch.items()
    }
    generator = torch.Generator().manual_seed(3)
    shape = (1, config.image_seq_length, config.text_config.hidden_size)
    tokens = torch.randn(shape, generator=generator, requires_grad=True)
    loss = model(region_features=tokens.expand(len(apart), -1, -1), **plain).loss
    separate = loss, gradients(model, loss, tokens)
    loss = model(region_features=tokens, **collate_packed([row], 0)).loss
    assert_same((loss, gradients(model, loss, tokens)), separate, 1e-5)


def test_later_turns_see_earlier_ones_and_no_single_question_does(
    model: FineCaptionForConditionalGeneration,
) -> None:
    config = model.config
    prefix = [1, 4, *[config.image_token_id] * config.image_seq_length, 8]

    def logits(answer: list[int]) -> tuple[torch.Tensor, Packed]:
        talk = [([*prefix, 20], answer), ([4, 22, 5], [33, 2])]
        row = pack_dialogs([[([*prefix, 25], [39, 2])], talk])
        width = config.text_config.hidden_size
        tokens = torch.ones(1, config.image_seq_length, width)
        with torch.no_grad():
            return model(region_features=tokens, **collate_packed([row], 0)).logits[0], row

    (one, row), (other, _) = logits([30, 2]), logits([31, 2])
    alone = torch.tensor(row.segments) == 1
    torch.testing.assert_close(one[alone], other[alone])
    assert not torch.allclose(one[-2:], other[-2:])  # the last turn's answer


def test_a_packed_conversation_in_full() -> None:
    row = pack_dialogs([[([1, 2, 3], [6])], [([1, 2, 4], [7, 8]), ([5], [9])]])
    assert row.input_ids == [1, 2, 3, 6, 4, 7, 8, 5, 9]
    assert row.position_ids == [0, 1, 2, 3, 2, 3, 4, 5, 6]
    assert row.segments == [0, 0, 1, 1, 2, 2, 2, 2, 2]
    assert row.labels == [NO_LOSS] * 3 + [6, NO_LOSS, 7, 8, NO_LOSS, 9]
    for empty in ([], [[]]):
        with pytest.raises(ValueError, match="at least one"):
            pack_dialogs(empty)


@pytest.mark.parametrize(
    "prompts, length",
    [
        ([[1, 2, 3, 4]], 3),
        ([[1, 2, 3, 4], [1, 2, 5, 6]], 2),
        ([[1, 2, 3], [1, 2, 3, 4, 5]], 2),
        ([[7, 1], [8, 1]], 0),
        ([[1, 2, 3], [1, 2, 3]], 2),
    ],
)
def test_the_prefix_leaves_each_prompt_a_token(prompts: list[list[int]], length: int) -> None:
    assert common_prefix(prompts) == length


def test_a_packed_row_in_full() -> None:
    row = pack([[1, 2, 3, 4], [1, 2, 5]], [[6, 7], [8]])
    assert row.input_ids == [1, 2, 3, 4, 6, 7, 5, 8]
    assert row.position_ids == [0, 1, 2, 3, 4, 5, 2, 3]
    assert row.segments == [0, 0, 1, 1, 1, 1, 2, 2]
    assert row.labels == [NO_LOSS] * 4 + [6, 7] + [NO_LOSS, 8]
    assert len(row) == 8


@pytest.mark.parametrize("prompts, answers", [([], []), ([[1, 2]], []), ([[1, 2]], [[3], [4]])])
def test_questions_and_answers_must_pair(
    prompts: list[list[int]], answers: list[list[int]]
) -> None:
    with pytest.raises(ValueError, match=f"{len(prompts)} prompts and {len(answers)} answers"):
        pack(prompts, answers)


tokens = st.lists(st.integers(5, 40), min_size=1, max_size=5)
packs = st.lists(st.tuples(tokens, tokens), min_size=1, max_size=4).map(
    lambda q: pack([[1, 2, *p] for p, _ in q], [a for _, a in q])
)


@given(packs)
def test_packing_loses_nothing(row: Packed) -> None:
    assert len(row.input_ids) == len(row.position_ids) == len(row.segments) == len(row.labels)
    for segment in range(1, max(row.segments) + 1):
        mine = [i for i, s in enumerate(row.segments) if s in (0, segment)]
        assert [row.position_ids[i] for i in mine] == list(range(len(mine)))
        first = next(i for i in mine if row.segments[i] == segment)
        assert row.labels[first] == NO_LOSS  # so nothing is asked of the token before, a stranger
        learned = [i for i in mine if row.labels[i] != NO_LOSS]
        assert [row.labels[i] for i in learned] == [row.input_ids[i] for i in learned]
        assert learned and learned[-1] == mine[-1]


@given(st.lists(packs, min_size=1, max_size=3))
def test_who_sees_whom(rows: list[Packed]) -> None:
    batch = collate_packed(rows, 0)
    length = max(map(len, rows))
    mask = batch["attention_mask"]
    assert mask.shape == (len(rows), 1, length, length) and mask.dtype == torch.bool
    assert mask.any(-1).all()  # a row that sees nothing would be NaN
    for row, seen in zip(rows, mask[:, 0].tolist(), strict=True):
        segments = row.segments + [-1] * (length - len(row))
        for i, mine in enumerate(segments):
            for j, other in enumerate(segments):
                allowed = mine >= 0 and other in (0, mine) and j <= i
                assert seen[i][j] == (allowed or i == j), (i, j)


def test_rows_are_padded_on_the_right() -> None:
    long, short = pack([[1, 2, 3]], [[4, 5]]), pack([[1, 6]], [[7]])
    batch = collate_packed([long, short], pad_token_id=9)
    assert batch["input_ids"].tolist() == [[1, 2, 3, 4, 5], [1, 6, 7, 9, 9]]
    assert batch["labels"][1].tolist() == [NO_LOSS, NO_LOSS, 7, NO_LOSS, NO_LOSS]
    assert batch["position_ids"][1].tolist() == [0, 1, 2, 0, 0]
    alone = collate_packed([short], pad_token_id=9)
    assert torch.equal(batch["attention_mask"][1, :, :3, :3], alone["attention_mask"][0])
    assert torch.equal(block_mask(torch.tensor([short.segments])), alone["attention_mask"])
