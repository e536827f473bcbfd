"""A training step with shared prefixes against one question a sample, in the same run.

The usual way encodes the picture with every tower and puts the region's image tokens through the
language model anew for each question. Here the large towers see a picture once, the region path a
region once, and the questions on a region share one sequence. Same questions, same loss, same
gradients, one optimiser step each.

    python benchmarks/train_step.py --json results/train_step.json
    python benchmarks/train_step.py --preset 8b --precision bf16 --checkpointing --usual-batch 4 \
        --device cuda

CompositionCap: 14,590 entities on 5,392 pictures, 186,490 descriptions: 2.7 regions a picture, 12.8
questions a region, up to 7 regions a picture.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from finecaption.model import PRESETS, FineCaptionForConditionalGeneration
from finecaption.training.config import override
from finecaption.training.fit import set_trainable
from finecaption.training.models import checkpoint_layers
from finecaption.training.objectives.captions import Captions
from finecaption.training.optimizers import make_optimizer
from finecaption.training.packing import NO_LOSS, collate_packed, pack
from finecaption.training.recipes import paper

Batch = dict[str, Any]
# The processor's time of one thread is not disturbed by other work on the machine.
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
Question = tuple[int, list[int], list[int]]  # region, prompt, answer


def draw_questions(config: Any, regions: int, questions: int, rng: random.Random) -> list[Question]:
    """Prompts that share image tokens and eight words, and answers of 8 to 30 tokens."""
    vocab, image = config.text_config.vocab_size, config.image_token_id
    words = [i for i in range(8, min(vocab, 1000)) if i != image]
    common = [*rng.choices(words, k=8)]
    out = []
    for region in range(regions):
        for _ in range(questions):
            name = rng.choices(words, k=rng.randint(2, 6))
            answer = rng.choices(words, k=rng.randint(8, 30))
            prompt = [words[0], *[image] * config.image_seq_length, *common, *name]
            out.append((region, prompt, answer))
    return out


def visual(config: Any, pictures: int, masks: torch.Tensor, index: Sequence[int]) -> Batch:
    """Pixels of noise, the same for a seed; masks as given."""
    noise = torch.Generator().manual_seed(1)
    out: Batch = {"region_masks": masks, "image_index": torch.tensor(index)}
    sides = {"pixel_values": config.image_size, "pixel_values_clip": config.clip_size}
    for name, side in sides.items():
        one = torch.randint(0, 256, (1, 3, side, side), generator=noise, dtype=torch.uint8)
        out[name] = one.expand(pictures, -1, -1, -1).contiguous()
    return out


def make_masks(config: Any, regions: int) -> torch.Tensor:
    """A box a region: uint8 (R, s, s)."""
    side = config.clip_size
    masks = torch.zeros(regions, side, side, dtype=torch.uint8)
    for i in range(regions):
        at = i * side // (2 * regions)
        masks[i, at : at + side // 2, side // 4 : side // 4 + side // 2] = 255
    return masks


def keep(batch: Batch) -> Batch:
    """Logits only from where the first answer is predicted on, for both ways alike."""
    columns = (batch["labels"] != NO_LOSS).any(dim=0).nonzero()
    return {**batch, "logits_to_keep": batch["labels"].shape[1] - int(columns[0]) + 1}


def shared_batches(config: Any, asked: list[Question], regions: int) -> list[Batch]:
    """One picture, its regions, the questions on each in one row."""
    rows = [
        pack([p for r, p, _ in asked if r == region], [a for r, _, a in asked if r == region])
        for region in range(regions)
    ]
    seen = visual(config, 1, make_masks(config, regions), [0] * regions)
    return [keep({**collate_packed(rows, 0), **seen})]


def usual_batches(config: Any, asked: list[Question], regions: int, batch: int) -> list[Batch]:
    """Samples of one picture, one region and one question, ``batch`` at a time, by length."""
    masks = make_masks(config, regions)
    order = sorted(asked, key=lambda q: len(q[1]) + len(q[2]))
    out = []
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        rows = [pack([prompt], [answer]) for _, prompt, answer in part]
        packed = collate_packed(rows, 0)
        # An ordinary causal mask, as the usual way has.
        lengths = torch.tensor([len(row) for row in rows])
        columns = torch.arange(packed["input_ids"].shape[1])
        packed["attention_mask"] = (columns < lengths[:, None]).long()
        seen = visual(config, len(part), masks[[r for r, _, _ in part]], range(len(part)))
        out.append(keep({**packed, **seen}))
    return out


def step(
    model: nn.Module, optimizer: torch.optim.Optimizer, batches: list[Batch], bf16: bool
) -> float:
    """Forward, backward and one optimiser step; the loss over all answer tokens."""
    device = next(model.parameters()).device
    total = torch.tensor(float(sum(int((b["labels"] != NO_LOSS).sum()) for b in batches)))
    loss = 0.0
    optimizer.zero_grad()
    for batch in batches:
        moved = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            out = model(**moved, num_items_in_batch=total.to(device), use_cache=False).loss
        out.backward()
        loss += float(out.detach())
    optimizer.step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return loss


def gradients(model: nn.Module) -> dict[str, torch.Tensor]:
    return {n: p.grad.detach().clone() for n, p in model.named_parameters() if p.grad is not None}


def compare(
    model: FineCaptionForConditionalGeneration, regions: int, args: argparse.Namespace
) -> dict[str, Any]:
    """Both ways on the same questions."""
    clock = CLOCKS[args.clock]
    asked = draw_questions(model.config, regions, args.questions, random.Random(0))
    ways = {
        "shared": shared_batches(model.config, asked, regions),
        "usual": usual_batches(model.config, asked, regions, args.usual_batch),
    }
    # Rate 0: both ways see the same weights throughout.
    optimizer = make_optimizer(
        model, override(paper().stage(args.stage), {"lr": 1e-30}), Captions(0).part_of
    )
    bf16 = args.precision == "bf16"
    out: dict[str, Any] = {"regions": regions, "questions": len(asked)}
    found, times = {}, {}
    for name, batches in ways.items():
        out[f"loss_{name}"] = step(model, optimizer, batches, bf16)  # warms up, too
        found[name] = gradients(model)
        taken = []
        for _ in range(args.repeats):
            began = clock()
            step(model, optimizer, batches, bf16)
            taken.append(clock() - began)
        times[name] = statistics.median(taken)
        out[f"seconds_{name}"] = times[name]
        out[f"questions_per_second_{name}"] = len(asked) / times[name]
    assert found["shared"].keys() == found["usual"].keys()
    differences = [float((g - found["usual"][n]).abs().max()) for n, g in found["shared"].items()]
    out["max_grad_diff"] = max(differences)
    out["max_grad"] = max(float(g.abs().max()) for g in found["usual"].values())
    out["loss_diff"] = abs(out["loss_shared"] - out["loss_usual"])
    out["ratio"] = times["usual"] / times["shared"]
    return out


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table; 1 if the two ways do not agree."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--preset", default="mini", choices=sorted(PRESETS))
    parser.add_argument("--model", help="folder of a model instead of a preset's random weights")
    parser.add_argument("--stage", type=int, default=3, choices=(1, 2, 3))
    parser.add_argument("--regions", type=int, nargs="+", default=[3, 7], help="a picture")
    parser.add_argument("--questions", type=int, default=13, help="a region")
    parser.add_argument("--usual-batch", type=int, default=13, help="samples at a time")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clock", default="wall", choices=sorted(CLOCKS))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    if args.clock == "cpu" and (args.device != "cpu" or torch.get_num_threads() > 1):
        parser.error("--clock cpu is for --device cpu and OMP_NUM_THREADS=1")

    torch.manual_seed(0)
    if args.model:
        model = FineCaptionForConditionalGeneration.from_pretrained(args.model)
    else:
        preset = PRESETS[args.preset]
        config = preset(vocab_size=2000) if args.preset == "mini" else preset()
        with torch.device(args.device):
            model = FineCaptionForConditionalGeneration(config)
    model.to(args.device).train()
    set_trainable(model, paper().stage(args.stage), Captions(0))
    if args.checkpointing:
        checkpoint_layers(model)
    rows = [compare(model, regions, args) for regions in args.regions]

    device = torch.cuda.get_device_name() if args.device.startswith("cuda") else platform.machine()
    print(f"{args.model or args.preset}, stage {args.stage}, {args.precision}, {device}, "
          f"{torch.get_num_threads()} threads, {args.clock} time, "
          f"{args.questions} questions a region")  # fmt: skip
    print(f"{'regions':>7} {'usual q/s':>10} {'shared q/s':>10} {'ratio':>6} "
          f"{'loss diff':>10} {'grad diff':>10} {'max grad':>9}")  # fmt: skip
    for row in rows:
        print(
            f"{row['regions']:>7} {row['questions_per_second_usual']:>10.2f} "
            f"{row['questions_per_second_shared']:>10.2f} {row['ratio']:>6.1f} "
            f"{row['loss_diff']:>10.1e} {row['max_grad_diff']:>10.1e} {row['max_grad']:>9.2g}"
        )
    worst = max(row["max_grad_diff"] for row in rows)
    result = {
        "ratio": rows[0]["ratio"], "max_grad_diff": worst,
        "loss_diff": max(row["loss_diff"] for row in rows), "rows": rows,
        "model": args.model or args.preset, "stage": args.stage, "precision": args.precision,
        "device": device, "threads": torch.get_num_threads(), "torch": torch.__version__,
        "usual_batch": args.usual_batch, "clock": args.clock, "repeats": args.repeats,
    }  # fmt: skip
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    if args.precision == "fp32" and worst > 1e-5:
        print(f"gradients differ by {worst:.1e}, more than 1e-5", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
