from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from finecaption.errors import InputError
from finecaption_synth.training.jobs import STATE, TrainingJobs, fits_decoder, save_state
from finecaption_synth.training.pool import Pool
from finecaption_synth.training.recipes import smoke

from .conftest import Prepared


def test_states_are_written_whole(tmp_path: Path) -> None:
    module = torch.nn.Linear(3, 2)
    save_state(module, tmp_path / STATE)
    assert [p.name for p in tmp_path.iterdir()] == [STATE]
    read = load_file(tmp_path / STATE)
    assert all(torch.equal(v, read[k]) for k, v in module.state_dict().items())


def test_a_model_is_put_together_from_finished_parts_only(
    tmp_path: Path, prepared: Prepared
) -> None:
    with pytest.raises(InputError, match="is missing: run stage0-convnext.* first"):
        TrainingJobs(smoke(), tmp_path, *prepared).assemble()


def test_a_second_run_of_a_kind_goes_on_from_the_first(
    tmp_path: Path, pool: Pool, prepared: Prepared
) -> None:
    recipe, jobs = smoke(), TrainingJobs(smoke(), tmp_path, *prepared)
    kinds = [
        s.objective for s in recipe.stages if s.objective != "captions" and not fits_decoder(s)
    ]
    again = next(s for i, s in enumerate(recipe.stages) if s.objective in kinds[:i])
    first = next(s for s in recipe.stages if s.objective == again.objective)
    with pytest.raises(InputError, match=f"is missing: run {first.name} first"):
        jobs.pretraining(again, lambda: pool)
    start = jobs.pretraining(first, lambda: pool)
    before = start.objective.wrap(start.model)
    (tmp_path / first.name).mkdir()
    save_state(before, tmp_path / first.name / STATE)
    torch.manual_seed(99)
    job = jobs.pretraining(again, lambda: pool)
    after = job.objective.wrap(job.model)
    assert job.prepare is not None
    job.prepare(after)
    wanted = before.state_dict()
    assert all(torch.equal(v, wanted[k]) for k, v in after.state_dict().items())
    assert job.feed.items.seed != start.feed.items.seed  # other scenes first
