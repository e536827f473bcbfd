"""Eight regions of one picture, 18 attributes each: the engine against stock `generate`.

    python benchmarks/describe.py                            # the shipped mini, on the CPU
    python benchmarks/describe.py --tiny --qwen              # every part at tiny size: a smoke run
    python benchmarks/describe.py --preset 8b --device cuda --dtype bfloat16 --qwen

All ways start from the same tensors in memory and end with texts:

    engine     finecaption.inference, everything in one batch
    one        transformers' generate, one question on one region at a time
    batched    transformers' generate, one question on all regions at a time
    qwen       Qwen2.5-VL-7B by transformers with the box in the prompt, one question at a time,
               random weights at full size, answers as long as the engine's

The roofline is the least time that the engine's necessary work could take: FLOP and bytes counted
for the towers, the regions, the prefixes and each decode step, against the matrix product and the
copy that this machine does best, measured in the same run. With a preset, weights are random, the
end token is switched off and answers have --new-tokens tokens. Writes
benchmarks/results/describe.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from necessary_work import Peak, Task, ceilings, necessary, timed

from finecaption import FineCaption
from finecaption.attributes import ATTRIBUTE_NAMES, region_instruction
from finecaption.inference.batch_decoder import Answer, answers
from finecaption.io.images import load_image
from finecaption.model import (
    PRESETS,
    FineCaptionForConditionalGeneration,
    FineCaptionProcessor,
    build_word_tokenizer,
)

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "examples" / "room.png"
MOST_TOKENS = 64
BOX_TOKENS = 30  # of a prompt that gives a box in numbers and asks a question


def random_model(preset: str, device: str, dtype: torch.dtype) -> FineCaption:
    """A preset with random weights and a word tokenizer, of which the end token is switched off."""
    tokenizer = build_word_tokenizer([region_instruction(name) for name in ATTRIBUTE_NAMES])
    if preset == "8b":
        config = PRESETS[preset]()
        config.image_token_id = 3
    else:
        config = PRESETS[preset](vocab_size=len(tokenizer) + 50)
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = FineCaptionForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(before)
    model.generation_config.eos_token_id = [config.text_config.vocab_size + 1]
    return FineCaption(model, FineCaptionProcessor.for_config(config, tokenizer), name=preset)


def boxes(count: int, size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """So many boxes, xyxy, spread over a picture of (width, height)."""
    width, height = size
    columns = max(1, round((count * width / height) ** 0.5))
    rows = -(-count // columns)
    found = []
    for i in range(count):
        left, top = (i % columns) * width // columns, (i // columns) * height // rows
        found.append((left, top, left + max(1, width // columns), top + max(1, height // rows)))
    return found


def box_masks(count: int, size: tuple[int, int]) -> list[np.ndarray]:
    """The ellipses in these boxes, bool (H, W)."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    return [
        ((2 * x - a - c) / (c - a)) ** 2 + ((2 * y - b - d) / (d - b)) ** 2 <= 1
        for a, b, c, d in boxes(count, size)
    ]


# --- the ways ------------------------------------------------------------------------------


def engine(task: Task) -> list[list[Answer]]:
    return answers(
        task.model, task.processor, task.inputs, [task.questions] * task.regions,
        max_new_tokens=task.new_tokens,
    )  # fmt: skip


def stock(task: Task, question: str, regions: Sequence[int]) -> list[str]:
    """generate's answers to one question on some regions."""
    device = task.device
    ids = torch.tensor([task.processor.prompt_ids(question)] * len(regions), device=device)
    found = task.model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        pixel_values=task.inputs["pixel_values"].to(device),
        pixel_values_clip=task.inputs["pixel_values_clip"].to(device),
        region_masks=task.inputs["region_masks"][list(regions)].to(device),
        image_index=torch.zeros(len(regions), dtype=torch.long, device=device),
        do_sample=False,
        max_new_tokens=task.new_tokens,
    )
    return [task.processor.answer(row) for row in found[:, ids.shape[1] :].tolist()]


def one_at_a_time(task: Task) -> list[list[str]]:
    return [
        [stock(task, question, [region])[0] for question in task.questions]
        for region in range(task.regions)
    ]


def batched_by_question(task: Task) -> list[list[str]]:
    every = range(task.regions)
    columns = [stock(task, question, every) for question in task.questions]
    return [list(row) for row in zip(*columns, strict=True)]


def qwen(tiny: bool, task: Task, lengths: Sequence[int]) -> Callable[[], None]:
    """Qwen2.5-VL with random weights, an answer of each length: what a box in the prompt costs."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    config = Qwen2_5_VLConfig()
    text, vision = config.text_config, config.vision_config
    if tiny:
        text.update({"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
                     "num_attention_heads": 4, "num_key_value_heads": 2, "layer_types": None,
                     "max_window_layers": 2})  # fmt: skip
        text.layer_types = ["full_attention"] * 2
        vision.update({"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2,
                       "out_hidden_size": 64, "fullatt_block_indexes": [1]})  # fmt: skip
    else:  # the published 7B's: huggingface.co/Qwen/Qwen2.5-VL-7B-Instruct, config.json
        text.update({"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
                     "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064,
                     "max_window_layers": 28})  # fmt: skip
        text.layer_types = ["full_attention"] * 28
        vision.update({"depth": 32, "hidden_size": 1280, "intermediate_size": 3420,
                       "num_heads": 16, "out_hidden_size": 3584})  # fmt: skip
    text.rope_parameters = {
        "rope_type": "default",
        "rope_theta": 1e6,
        "mrope_section": [2, 3, 3] if tiny else [16, 24, 24],
    }
    with torch.device(task.device):
        torch.set_default_dtype(task.model.dtype)
        model = Qwen2_5_VLForConditionalGeneration(config).eval()
        torch.set_default_dtype(torch.float32)
    side = 4 if tiny else 74  # patches of 14 px: 56 px, or 1,036 as 1,024 is rounded to
    image_tokens = (side // 2) ** 2
    words = torch.randint(0, 1000, (1, BOX_TOKENS))
    picture = torch.full((1, image_tokens), config.image_token_id)
    start = torch.tensor([[config.vision_start_token_id]])
    end = torch.tensor([[config.vision_end_token_id]])
    ids = torch.cat([words[:, :10], start, picture, end, words], 1).to(task.device)
    pixels = torch.randn(side * side, 3 * 2 * 14 * 14, dtype=task.model.dtype, device=task.device)
    grid = torch.tensor([[1, side, side]], device=task.device)

    def run() -> None:
        for length in lengths:
            model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                mm_token_type_ids=(ids == config.image_token_id).int(),
                pixel_values=pixels,
                image_grid_thw=grid,
                do_sample=False,
                min_new_tokens=length,
                max_new_tokens=length,
                pad_token_id=0,
            )

    return run


# --- the roofline --------------------------------------------------------------------------


# --- measuring -----------------------------------------------------------------------------


def run(args: argparse.Namespace) -> dict[str, Any]:
    """All ways, the roofline, the memory."""
    dtype = getattr(torch, args.dtype)
    if args.tiny or args.preset:
        captioner = random_model("tiny" if args.tiny else args.preset, args.device, dtype)
        new_tokens = args.new_tokens
    else:
        captioner = FineCaption.from_pretrained(args.model, args.device, dtype)
        new_tokens = MOST_TOKENS
    picture = load_image(PICTURE)
    masks = box_masks(args.regions, picture.size)
    inputs = captioner.processor.image_processor(
        [picture], masks, [0] * len(masks), return_tensors="pt"
    )
    questions = [region_instruction(name) for name in ATTRIBUTE_NAMES[: args.questions]]
    task = Task(captioner.model, captioner.processor, dict(inputs), questions, new_tokens)
    device = task.device

    engine(task)  # warms up
    stock(task, questions[0], [0])
    seconds, memory = {}, {}
    times = []
    found: list[list[Answer]] = []
    for _ in range(args.repeats):
        found.clear()
        with Peak(device) as peak:
            times.append(timed(lambda: found.extend(engine(task)), device))
    seconds["engine"], memory["engine"] = statistics.median(times), peak.megabytes
    texts = [[one.text for one in row] for row in found]
    equal = {}
    for name, way in (("one", one_at_a_time), ("batched", batched_by_question)):
        with Peak(device) as peak:
            said: list[list[str]] = []
            seconds[name] = timed(lambda way=way, said=said: said.extend(way(task)), device)  # type: ignore[misc]  # bound now
        memory[name] = peak.megabytes
        equal[name] = sum(
            a == b for row, other in zip(texts, said, strict=True)
            for a, b in zip(row, other, strict=True)
        )  # fmt: skip
    lengths = [one.tokens for row in found for one in row]
    if args.qwen:
        asked = qwen(args.tiny, task, lengths)
        seconds["qwen"] = timed(asked, device)

    phases = necessary(task, found)
    flops, bandwidth = ceilings(device, dtype)
    bound = sum(max(work.flop / flops, work.bytes / bandwidth) for work in phases)
    total = len(lengths)
    cores = len(os.sched_getaffinity(0))
    return {
        "ratio_one_at_a_time": seconds["one"] / seconds["engine"],
        "ratio_batched_by_question": seconds["batched"] / seconds["engine"],
        "ratio_qwen": seconds["qwen"] / seconds["engine"] if args.qwen else None,
        "equal_answers": {name: f"{count} of {total}" for name, count in equal.items()},
        "seconds": seconds,
        "answers_per_second": {name: total / taken for name, taken in seconds.items()},
        "memory_mb": memory,
        "roofline": {
            "share": bound / seconds["engine"],
            "seconds": bound,
            "gflop": sum(work.flop for work in phases) / 1e9,
            "gbyte": sum(work.bytes for work in phases) / 1e9,
            "ceiling_gflops": flops / 1e9,
            "ceiling_gbytes": bandwidth / 1e9,
            "phases": {
                name: {
                    "gflop": sum(w.flop for w in phases if w.name == name) / 1e9,
                    "gbyte": sum(w.bytes for w in phases if w.name == name) / 1e9,
                }
                for name in dict.fromkeys(work.name for work in phases)
            },
        },
        "answers": total,
        "tokens": sum(lengths),
        "regions": args.regions,
        "questions": len(questions),
        "model": "tiny" if args.tiny else args.preset or Path(args.model).name,
        "random_weights": bool(args.tiny or args.preset),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda"
        else f"{platform.machine()}, {cores} cores",
        "dtype": args.dtype,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "repeats": args.repeats,
    }  # fmt: skip


def show(result: dict[str, Any]) -> None:
    print(
        f"{result['model']}, {result['regions']} regions x {result['questions']} questions, "
        f"{result['tokens']} tokens, {result['dtype']}, {result['device']}, "
        f"{result['threads']} threads"
    )
    print(f"{'':>9} {'seconds':>9} {'answers/s':>10} {'times':>7} {'same':>11} {'MB':>7}")
    for name, seconds in result["seconds"].items():
        memory = result["memory_mb"].get(name)
        print(
            f"{name:>9} {seconds:>9.3f} {result['answers_per_second'][name]:>10.1f} "
            f"{seconds / result['seconds']['engine']:>7.1f} "
            f"{result['equal_answers'].get(name, ''):>11} "
            f"{'' if memory is None else format(memory, '.0f'):>7}"
        )
    roof = result["roofline"]
    print(
        f"roofline: {roof['gflop']:.1f} GFLOP at {roof['ceiling_gflops']:.0f} GFLOP/s, "
        f"{roof['gbyte']:.2f} GB at {roof['ceiling_gbytes']:.1f} GB/s: {roof['seconds']:.3f} s; "
        f"the engine reaches {100 * roof['share']:.0f} %"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table; 1 if answers in float32 are not the same."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="finecaption-mini", help="shipped name or folder")
    parser.add_argument("--preset", choices=sorted(PRESETS), help="random weights of this size")
    parser.add_argument("--tiny", action="store_true", help="everything at tiny size")
    parser.add_argument("--qwen", action="store_true", help="Qwen2.5-VL-7B too")
    parser.add_argument("--regions", type=int, default=8)
    parser.add_argument("--questions", type=int, default=18)
    parser.add_argument("--new-tokens", type=int, default=8, help="of random weights' answers")
    parser.add_argument("--repeats", type=int, default=5, help="of the engine; the median counts")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks/results/describe.json")
    args = parser.parse_args(argv)
    result = run(args)
    show(result)
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(result, indent=1) + "\n")
    wrong = [
        name for name, said in result["equal_answers"].items()
        if said != f"{result['answers']} of {result['answers']}"
    ]  # fmt: skip
    if args.dtype == "float32" and wrong:
        print(f"answers differ from {', '.join(wrong)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
