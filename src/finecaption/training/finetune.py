"""One stage on a whole model and region samples: the paper's recipe, for mini as for the 8B.

Layout of the folder::

    OUT/config.json         the stage, the model it began with, the data and a digest of them
    OUT/work/               see finecaption.training.fit
    OUT/moved.safetensors   of an adapter run: what it has changed
    OUT/model/              the finished model with processor and provenance.json
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from transformers import TrainerCallback, set_seed

from finecaption.errors import InputError
from finecaption.io.checkpoint import resolve_model
from finecaption.model.modeling import FineCaptionForConditionalGeneration
from finecaption.model.processing import FineCaptionProcessor
from finecaption.training import lora
from finecaption.training.checkpoints import locked, trainable_state
from finecaption.training.config import HARMLESS, StageConfig
from finecaption.training.features import FeatureCache, towers_key
from finecaption.training.fit import Feed, fit, read_provenance
from finecaption.training.models import load_for_stage, write_model
from finecaption.training.monitor import CaptionMonitor
from finecaption.training.objectives.captions import Captions
from finecaption.training.processes import barrier, check_world, is_main_process, local_device, rank
from finecaption.training.samples import (
    Encoder,
    Packs,
    digest,
    make_units,
    mix_whole,
    picture_key,
    read_data,
)
from finecaption.training.strategies import Strategy, computes_in_bf16
from finecaption.types import RegionSample

LogFn = Callable[[str], None]


def finetune(
    stage: StageConfig,
    model: str | Path,
    data: Sequence[str],
    out: str | Path,
    *,
    samples: Sequence[RegionSample] | None = None,
    say: LogFn = print,
    callbacks: Iterable[TrainerCallback] = (),
) -> Path:
    """Trains one stage, going on from OUT's last checkpoint if there is one.

    Args:
        model: folder of the model to begin with, or the name of a shipped one.
        data: see `samples.read_data`.
        samples: instead of reading ``data``.
        callbacks: transformers' own kind, beside those of the run.

    Returns:
        The folder of the finished model; of an adapter run without ``merge``, OUT.

    Raises:
        InputError: unusable stage, model or data; OUT holds another run, or one that is under way.
        WorldError: the processes are not what the stage says.
        FineCaptionError: a loss or gradient that is not finite.
    """
    out, base = Path(out), resolve_model(model)
    check_world(stage)
    result = out / "model" if stage.adapter == "none" or stage.merge else out
    if (out / "provenance.json").exists():
        say(f"{out}: done before")
        return result
    found = list(samples) if samples is not None else read_data(data, stage.limit)
    _same_run(stage, base, data, digest(found), out)
    if not is_main_process():
        return _finetune(stage, base, data, found, out, result, say, callbacks)
    with locked(out):
        return _finetune(stage, base, data, found, out, result, say, callbacks)


def _finetune(
    stage: StageConfig,
    base: Path,
    data: Sequence[str],
    samples: Sequence[RegionSample],
    out: Path,
    result: Path,
    say: LogFn,
    callbacks: Iterable[TrainerCallback],
) -> Path:
    set_seed(stage.seed)
    processor = FineCaptionProcessor.from_pretrained(
        base, local_files_only=True, trust_remote_code=False
    )
    objective = Captions(processor.tokenizer.pad_token_id or 0)
    strategy, model = _load(stage, base, objective, say)
    feed = make_feed(stage, model, processor, samples, say)
    watching = list(callbacks)
    if stage.samples_shown and stage.show_every:
        shown = choose_shown(samples, stage.samples_shown)
        log = out / "work/log"
        watching.append(CaptionMonitor(shown, processor, stage.show_every, log, strategy))
    fitted = fit(stage, model, feed, objective, out / "work", strategy=strategy, callbacks=watching)
    in_bf16 = computes_in_bf16(stage) and stage.adapter == "none"
    whole = strategy.gather(model, in_bf16)
    if is_main_process():
        _write(stage, base, whole, processor, out, result, {**fitted.note, **data_note(data)})
        shutil.rmtree(out / "work/checkpoints", ignore_errors=True)
    barrier()
    return result


def _load(
    stage: StageConfig, base: Path, objective: Captions, say: LogFn
) -> tuple[Strategy, FineCaptionForConditionalGeneration]:
    if stage.sharding == "none":
        return Strategy(), load_for_stage(base, stage, objective)
    from finecaption.training.fsdp import Fsdp2, load_sharded

    if stage.cache:
        raise InputError("cache: fill it with sharding=none first; FSDP2 runs do not read it")
    model, told = load_sharded(base, stage, objective)
    if is_main_process():
        say(told)
    return Fsdp2(), model


def make_feed(
    stage: StageConfig,
    model: FineCaptionForConditionalGeneration,
    processor: FineCaptionProcessor,
    samples: Sequence[RegionSample],
    say: LogFn,
) -> Feed:
    """The samples in packs, with features on disk if the stage has a cache.

    Raises:
        InputError: see `make_units`, `mix_whole`.
    """
    world = check_world(stage)
    longest = getattr(model.config.text_config, "max_position_embeddings", stage.max_tokens)
    units = make_units(samples, processor, min(stage.max_tokens, longest), stage.shared)
    units = mix_whole(units, samples, stage.whole_image_fraction)
    features = None
    if stage.cache:
        features = FeatureCache(stage.cache, towers_key(model))
        one_each = {picture_key(s): s for s in samples}.values()
        model.to(local_device())
        features.fill(model, processor, one_each, rank(), world, say)
    packs = Packs(
        units, Encoder(samples, processor, features), seed=stage.seed, tokens=stage.max_tokens,
        pictures=stage.max_images, batch=stage.batch, by_length=stage.group_by_length,
        epochs=stage.epochs, steps=stage.steps, accumulate=stage.accumulate, world=world,
    )  # fmt: skip
    if is_main_process():
        say(
            f"{len(samples)} questions in {len(units)} groups that share an image; "
            f"{packs.steps} steps of {packs.micro} packs, {packs.questions:.1f} questions per step "
            "on average"
        )
    note = {"packs_a_step": packs.micro, "questions_a_step": round(packs.questions, 1)}
    return Feed(packs, packs.steps, 1, packs.accumulate, note=note)


def data_note(data: Sequence[str]) -> dict[str, Any]:
    """What provenance.json says of the data; of rendered scenes also the version of their world."""
    indexes = [Path(d.partition(":")[2].partition(",")[0] or d) / "index.json" for d in data]
    scenes = [i for i in indexes if i.is_file() and i.with_name("annotations.jsonl").is_file()]
    worlds = [json.loads(index.read_text("utf-8")).get("world", 1) for index in scenes]
    return {"data": list(data), **({"world": max(worlds)} if worlds else {})}


def choose_shown(samples: Sequence[RegionSample], most: int) -> list[RegionSample]:
    """Samples of different images, spread over the data."""
    one_each = list({picture_key(s): s for s in samples}.values())
    stride = max(1, len(one_each) // max(1, most))
    return one_each[::stride][:most]


def _same_run(
    stage: StageConfig, model: Path, data: Sequence[str], data_digest: str, out: Path
) -> None:
    """Writes OUT/config.json, or makes sure that it is of this run."""
    told = {
        "config": dataclasses.asdict(stage),
        "model": str(model),
        "data": list(data),
        "data_digest": data_digest,
    }
    path = out / "config.json"
    if path.exists():
        known = json.loads(path.read_text())
        now = json.loads(json.dumps(told))
        old = {k: v for k, v in known["config"].items() if k not in HARMLESS}
        new = {k: v for k, v in now["config"].items() if k not in HARMLESS}
        changed = sorted(k for k in {*old, *new} if old.get(k) != new.get(k))
        changed += [k for k in ("model", "data") if known.get(k) != now[k]]
        if known.get("data_digest", data_digest) != data_digest:
            changed.append("what the data holds")
        if changed:
            raise InputError(
                f"{out} holds another run: {', '.join(changed)} differ from {path}; give another "
                "--out, or delete it"
            )
    if is_main_process():
        out.mkdir(parents=True, exist_ok=True)
        # In one go, because the other processes look for it.
        temporary = path.with_name(f".{path.name}.part")
        temporary.write_text(json.dumps(told, indent=1) + "\n")
        temporary.replace(path)


def _write(
    stage: StageConfig,
    base: Path,
    model: Any,
    processor: FineCaptionProcessor,
    out: Path,
    result: Path,
    note: dict[str, Any],
) -> None:
    """The finished model, or what an adapter run has changed; and provenance.json of OUT."""
    if stage.adapter != "none":
        save_file(trainable_state(model), out / lora.MOVED)
    if result != out:

        def write(folder: Path) -> None:
            if stage.adapter != "none":
                lora.merge(base, out / lora.MOVED, stage, folder)
                return
            model.save_pretrained(folder)

        write_model(result, write, processor, [*read_provenance(base), note], base)
    (out / "provenance.json").write_text(json.dumps(note, indent=1) + "\n")
