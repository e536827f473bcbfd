from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from finecaption.attributes import region_instruction
from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.processing import FineCaptionProcessor
from finecaption.training.objectives.captions import Captions
from finecaption.training.packing import NO_LOSS, Packed
from finecaption_synth.language import score
from finecaption_synth.training.items import (
    CaptionItems,
    ContrastItems,
    DenseItems,
    PoolItems,
    TextItems,
    choose_regions,
)
from finecaption_synth.training.labels import HEADS, IGNORE, region_row
from finecaption_synth.training.objectives.contrastive import Contrastive
from finecaption_synth.training.objectives.dense import Dense
from finecaption_synth.training.objectives.labeled_captions import LabeledCaptions
from finecaption_synth.training.objectives.text import Text
from finecaption_synth.training.options import SceneCaptions
from finecaption_synth.training.pool import Pool
from finecaption_synth.training.texts import Texts, prompts

ITEMS = 14


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


@pytest.fixture(scope="module")
def texts(processor: FineCaptionProcessor) -> Texts:
    return Texts(processor)


def caption_items(pool: Pool, texts: Texts, asking: SceneCaptions, seed: int = 5) -> CaptionItems:
    return CaptionItems(pool, ITEMS, seed, asking, *texts.cached())


def dialogs(row: Packed, processor: FineCaptionProcessor) -> list[list[tuple[list[int], str]]]:
    """Of each dialog its turns: ids of the prompt, text of the answer."""
    out = []
    for segment in range(1, max(row.segments) + 1):
        columns = zip(row.input_ids, row.segments, row.labels, strict=True)
        tokens = [(t, w != NO_LOSS) for t, s, w in columns if s in (0, segment)]
        groups = [
            (learned, [t for t, _ in own])
            for learned, own in itertools.groupby(tokens, key=lambda pair: pair[1])
        ]
        assert [learned for learned, _ in groups] == [False, True] * (len(groups) // 2)
        turns = []
        for (_, prompt), (_, answer) in zip(groups[::2], groups[1::2], strict=True):
            assert answer[-1] == processor.tokenizer.eos_token_id
            turns.append((prompt, processor.tokenizer.decode(answer[:-1])))
        out.append(turns)
    return out


def test_each_pass_over_the_pool_is_another_permutation(pool: Pool) -> None:
    def order(seed: int) -> list[list[float]]:
        items = PoolItems(pool, 3 * len(pool), seed)
        sums = [float(items.scene(i).hr.sum()) for i in range(len(items))]
        return [sums[k : k + len(pool)] for k in range(0, len(sums), len(pool))]

    first, second, third = order(0)
    assert sorted(first) == sorted(second) == sorted(third)
    assert len({*map(tuple, (first, second, third))}) > 1
    assert order(0) == [first, second, third] != order(1)


def test_items_do_not_depend_on_what_was_read_before(pool: Pool, texts: Texts) -> None:
    """So a run that resumes in the middle sees what it would have seen."""
    kinds = [
        lambda seed: caption_items(pool, texts, SceneCaptions(), seed),
        lambda seed: DenseItems(pool, ITEMS, seed),
        lambda seed: TextItems(pool, ITEMS, seed, *texts.cached()),
        lambda seed: ContrastItems(pool, ITEMS, seed),
    ]
    for make in kinds:
        straight = [make(5)[i] for i in range(ITEMS)]
        backwards = make(5)
        for i in reversed(range(ITEMS)):
            assert equal(backwards[i], straight[i])
        assert not all(equal(make(6)[i], straight[i]) for i in range(ITEMS))
        assert len(make(5)) == ITEMS


def test_answers_belong_to_the_region_under_the_mask(
    pool: Pool, texts: Texts, processor: FineCaptionProcessor
) -> None:
    asking = SceneCaptions(regions=3, questions=20, whole=0.0)
    items = caption_items(pool, texts, asking)
    known = {
        tuple(ids(region_instruction(n))): n
        for n in ("Color", "Category Name") for ids in (texts.prompt_ids, texts.turn_ids)
    }  # fmt: skip
    checked = later = 0
    for i in range(ITEMS):
        scene, item = items.scene(i), items[i]
        by_mask = {m.tobytes(): r for m, r in zip(scene.masks, scene.truth.regions, strict=True)}
        for mask, row in zip(item["masks"], item["rows"], strict=True):
            truth = by_mask[mask.numpy().tobytes()]
            for turns in dialogs(row, processor):
                for number, (ids, answer) in enumerate(turns):
                    name = known.get(tuple(ids))
                    if name and name in truth.attributes:
                        assert all(score(name, answer, truth.attributes[name]).values()), answer
                        checked += 1
                        later += number > 0
    assert checked > 20 and later > 3


def test_a_conversation_is_what_the_chat_template_gives(
    pool: Pool, texts: Texts, processor: FineCaptionProcessor
) -> None:
    asking = SceneCaptions(regions=2, questions=6, whole=0.0, conversations=1.0)
    items = caption_items(pool, texts, asking)
    lengths = set()
    instructions = {tuple(texts.prompt_ids(p)): p for p in prompts()}
    instructions |= {tuple(texts.turn_ids(p)): p for p in prompts()}
    for i in range(6):
        for row in items[i]["rows"]:
            *single, talk = dialogs(row, processor)
            assert all(len(turns) == 1 for turns in single)
            told = [(instructions[tuple(ids)], answer) for ids, answer in talk]
            assert told[0][0] == region_instruction("Category Name")
            last = max(row.segments)
            ids = [t for t, s in zip(row.input_ids, row.segments, strict=True) if s in (0, last)]
            text = processor.conversation(told).replace(
                "<image>", "<image>" * processor.image_seq_length
            )
            assert ids == processor.tokenizer(text, add_special_tokens=False)["input_ids"]
            lengths.add(len(talk))
    assert max(lengths) >= 4


def test_conversations_can_be_left_out(
    pool: Pool, texts: Texts, processor: FineCaptionProcessor
) -> None:
    def counts(chance: float) -> list[int]:
        asking = SceneCaptions(regions=2, questions=6, whole=0.0, conversations=chance)
        items = caption_items(pool, texts, asking)
        rows = [row for i in range(ITEMS) for row in items[i]["rows"]]
        return [max(map(len, dialogs(row, processor))) for row in rows]

    assert set(counts(0.0)) == {1}
    half = counts(0.5)
    assert 0.2 < sum(n > 1 for n in half) / len(half) < 0.8


def test_pictures_go_with_their_questions(
    pool: Pool, texts: Texts, config: FineCaptionConfig
) -> None:
    items = caption_items(pool, texts, SceneCaptions(regions=2, questions=3))
    for i in range(4):
        scene, item = items.scene(i), items[i]
        assert np.array_equal(item["pixel_values"].permute(1, 2, 0), scene.hr)
        assert np.array_equal(item["pixel_values_clip"].permute(1, 2, 0), scene.clip)
        assert np.array_equal(item["ids"], scene.ids)
        assert np.array_equal(item["classes"], scene.labels)
        for row in item["rows"]:
            assert row.input_ids.count(config.image_token_id) == config.image_seq_length
            images = [t == config.image_token_id for t in row.input_ids]
            assert {s for s, image in zip(row.segments, images, strict=True) if image} == {0}


def test_the_whole_picture_alone_can_be_asked_for(
    pool: Pool, texts: Texts, processor: FineCaptionProcessor
) -> None:
    items = caption_items(pool, texts, SceneCaptions(whole=1.0))
    for i in range(4):
        item = items[i]
        (mask,), (row,) = item["masks"], item["rows"]
        assert (mask == 255).all()
        (((_, answer),),) = dialogs(row, processor)
        assert items.scene(i).truth.setting in answer


def test_the_whole_picture_is_asked_for_now_and_then(pool: Pool, texts: Texts) -> None:
    items = caption_items(pool, texts, SceneCaptions(regions=1, questions=1, whole=0.5))
    whole = [any((m == 255).all() for m in items[i]["masks"]) for i in range(ITEMS)]
    assert 2 < sum(whole) < ITEMS - 2


def test_captions_are_collated_with_the_picture_of_each_region(pool: Pool, texts: Texts) -> None:
    items = caption_items(pool, texts, SceneCaptions(regions=3, questions=2))
    chosen = [items[i] for i in range(3)]
    batch = Captions(0).collate(chosen)
    counts = [len(i["rows"]) for i in chosen]
    assert batch["image_index"].tolist() == [k for k, c in enumerate(counts) for _ in range(c)]
    assert len(batch["region_masks"]) == len(batch["input_ids"]) == sum(counts)
    assert batch["pixel_values"].dtype == batch["region_masks"].dtype == torch.uint8
    assert "ids" not in batch
    dense = LabeledCaptions(0, None, 1.0, 1.0).collate(chosen)
    assert dense.keys() - batch.keys() == {"ids", "classes", "region_classes", "asked"}
    assert dense["classes"].shape[::2] == (3, len(HEADS))
    for row, item in zip(dense["classes"], chosen, strict=True):
        size = len(item["classes"])
        assert torch.equal(row[:size], item["classes"]) and (row[size:] == IGNORE).all()


def test_dense_items_know_what_is_part_of_what(pool: Pool) -> None:
    items = DenseItems(pool, ITEMS, 0)
    for i in range(len(pool)):
        regions = items.scene(i).truth.regions
        parent = items[i]["parent"].tolist()
        assert parent == [0, *((r.part_of or 0) for r in regions)]
    batch = Dense((), 1, 1).collate([items[i] for i in range(3)])
    rows = max(len(items[i]["labels"]) for i in range(3))
    assert batch["labels"].shape == (3, rows, len(HEADS)) and batch["parent"].shape == (3, rows)
    assert batch["ids"].shape == (3, 128, 128) and batch["pixel_values"].dtype == torch.uint8


def test_text_items_have_no_picture(pool: Pool, processor: FineCaptionProcessor) -> None:
    texts = Texts(processor, image=False)
    items = TextItems(pool, ITEMS, 0, *texts.cached())
    rows = [items[i] for i in range(ITEMS)]
    image = processor.tokenizer.convert_tokens_to_ids("<image>")
    assert all(image not in row.input_ids for row in rows)
    assert any(max(row.segments) > 3 for row in rows)
    batch = Text(0).collate(rows[:3])
    assert batch["input_ids"].shape[0] == 3
    assert batch.keys() == {"input_ids", "position_ids", "labels", "attention_mask"}


def test_contrast_pairs_regions_and_the_whole_with_their_texts(
    pool: Pool, config: FineCaptionConfig, processor: FineCaptionProcessor
) -> None:
    items = ContrastItems(pool, ITEMS, 0, regions=2)
    chosen = [items[i] for i in range(3)]
    for item in chosen:
        assert 2 <= len(item["texts"]) == len(item["masks"]) <= 3
        assert (item["masks"][-1] == 255).all() and not (item["masks"][0] == 255).all()
    tokenizer = processor.tokenizer
    batch = Contrastive(config, tokenizer, longest=9).collate(chosen)
    texts = [t for item in chosen for t in item["texts"]]
    assert len(batch["input_ids"]) == len(batch["region_masks"]) == len(texts)
    last = [t == chosen[k]["texts"][-1] for k, t in zip(batch["image_index"], texts, strict=True)]
    assert batch["whole"].tolist() == last and batch["whole"].sum() == 3
    lengths = batch["attention_mask"].sum(1)
    assert lengths.max() == 10  # nine tokens and the end
    ends = batch["input_ids"][torch.arange(len(texts)), lengths - 1]
    assert (ends == tokenizer.eos_token_id).all()


def test_equal_texts_have_equal_names(
    config: FineCaptionConfig, processor: FineCaptionProcessor
) -> None:
    def item(texts: Sequence[str]) -> dict[str, Any]:
        blank = torch.zeros(3, 42, 42, dtype=torch.uint8)
        return {"pixel_values_clip": blank, "masks": [blank[0]] * len(texts), "texts": [*texts]}

    items = [item(["a red ball", "a meadow"]), item(["a red ball", "a street"])]
    batch = Contrastive(config, processor.tokenizer).collate(items)
    a, b, c, d = batch["names"].tolist()
    assert a == c and len({a, b, d}) == 3


def test_wholes_are_chosen_first_and_a_part_now_and_then(pool: Pool) -> None:
    truths = [pool[i].truth for i in range(len(pool))]
    truth = next(t for t in truths if any(r.part_of for r in t.regions))
    picks = [choose_regions(truth, random.Random(seed), 2) for seed in range(60)]
    assert all(1 <= len(p) <= 2 and len({r.region_id for r in p}) == len(p) for p in picks)
    with_part = sum(any(r.part_of for r in p) for p in picks)
    assert 10 < with_part < 40
    assert all(p[0].part_of is None for p in picks)
    assert choose_regions(truth, random.Random(0), 0) == []


def test_balanced_scenes_are_chosen_for_a_region_and_ask_about_it(pool: Pool, texts: Texts) -> None:
    asking = SceneCaptions(regions=1, questions=1, whole=0.0, conversations=0.0, balanced=1.0)
    items = caption_items(pool, texts, asking)
    heads = list(HEADS)
    rare = heads.index("expression")
    assert 0 < len(pool.by_head[rare]) < len(pool.by_head[0])
    faces = 0
    for i in range(ITEMS):
        scene, focus, wanted = items._choose(i, items.rng(i))
        assert focus is not None and wanted in focus.attributes
        row = items[i]["region_classes"][0]
        assert np.array_equal(row, region_row(focus))  # it comes first
        prompt = list(texts.prompt_ids(region_instruction(wanted)))
        assert items[i]["rows"][0].input_ids[: len(prompt)] == prompt
        faces += int(row[rare] != IGNORE)
    plain = caption_items(pool, texts, dataclasses.replace(asking, balanced=0.0))
    seldom = sum(int(plain[i]["region_classes"][0][rare] != IGNORE) for i in range(ITEMS))
    assert faces > seldom


def test_only_classes_are_asked_of_the_chosen_region_too(pool: Pool, texts: Texts) -> None:
    asking = SceneCaptions(regions=0, whole=0.0, labeled=2, region_labels=1.0, balanced=1.0)
    items = caption_items(pool, texts, asking)
    for i in range(ITEMS):
        _, focus, _ = items._choose(i, items.rng(i))
        found = items[i]
        assert focus is not None and not found["rows"] and len(found["masks"]) <= 2
        assert any(np.array_equal(row, region_row(focus)) for row in found["region_classes"])
