"""What a plan says: memory by parts counted by hand, disk as it is written, hours as the loop would spend them."""

from collections.abc import Callable
from mmap import mmap
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from maskwright.recipes.bert import build
from maskwright.training import checkpoint, plan
from maskwright.training.optimizers import Optimizer
from maskwright.training.plan import Measured, Memory, fits, free_memory, held, hours, measure, run_bytes, size_of
from maskwright.training.replays import Replays
from maskwright.training.run import PRECISIONS
from maskwright.training.training_config import TrainingConfig
from maskwright.training.ways import layer_matrices
from tests.training.works import corpus, recipe


def probed(optimizer: str, precision: str) -> tuple[Optimizer, Measured, dict[str, torch.Tensor]]:
    settings = recipe(optimizer=optimizer, precision=precision, batch_sequences=10, micro_sequences=4)
    work = build(settings, corpus())
    made = Optimizer(work.module, settings.optimizer, PRECISIONS[precision])
    before = {name: tensor.clone() for name, tensor in made.flat.tensors().items()}
    return made, measure(work, made, settings.training, seconds=0.05, program=held()), before


@pytest.mark.parametrize("precision", ["bf16", "float32"])
@pytest.mark.parametrize("optimizer", ["google", "adamw", "muon", "lamb"])
def test_memory_by_parts(optimizer: str, precision: str) -> None:
    made, measured, before = probed(optimizer, precision)
    work = build(recipe(), corpus())
    count = sum(p.numel() for p in work.module.parameters())
    moved_by_muon = sum(work.module.get_parameter(name).numel() for name in layer_matrices(work.module))
    memory = measured.memory
    assert measured.parameters == count
    assert memory.weights == 4 * count
    assert memory.working_copy == (2 * count if precision == "bf16" else 0)
    assert memory.gradients == 4 * count + (2 if precision == "bf16" else 4) * count
    moments = 8 * count - (4 * moved_by_muon if optimizer == "muon" else 0)
    steps = 0 if optimizer == "google" else 2 * 4  # one count for each group of adamw
    assert memory.optimizer == moments + steps
    assert memory.activations >= 0 and memory.program > 2**20
    assert sum(memory) >= held() / 4
    assert measured.step_tokens == sum(batch.num_tokens for batch in build(
        recipe(batch_sequences=10, micro_sequences=4), corpus()).batches(0))  # fmt: skip
    assert measured.step_seconds > 0 and measured.evaluation_seconds > 0
    assert measured.tokens_per_second == measured.step_tokens / measured.step_seconds
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.flat.tensors().items()), (
        "a probe moves nothing"
    )


def test_what_is_recorded_once_is_not_reckoned_for_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that recording takes a thousand seconds of, and playing one."""
    settings = recipe(precision="float32", batch_sequences=8, micro_sequences=4)
    work = build(settings, corpus())
    optimizer, clock, recorded = Optimizer(work.module, settings.optimizer, torch.float32), [0.0], list[int]()

    def record(written: Callable[[], None]) -> Callable[[], None]:
        clock[0] += 1000
        recorded.append(1)

        def play() -> None:
            clock[0] += 1
            written()

        return play

    monkeypatch.setattr(plan, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr(plan, "passes_of", lambda work, _, device: Replays(work, device, record))
    measured = measure(work, optimizer, settings.training, seconds=3)
    assert len(recorded) > 1
    assert 0 < measured.step_seconds < 10


@pytest.mark.parametrize("optimizer", ["google", "adamw", "muon", "lamb"])
def test_disk_is_what_a_checkpoint_takes(tmp_path: Path, optimizer: str) -> None:
    made, measured, _ = probed(optimizer, "bf16")
    saved = checkpoint.save(tmp_path, 1, {"model": made.flat.tensors(), "optimizer": made.tensors()}, {})
    taken = {path.name: path.stat().st_size for path in saved.iterdir()}
    assert measured.model_bytes <= taken["model.safetensors"] <= measured.model_bytes + 10_000
    assert measured.checkpoint_bytes <= sum(taken.values()) <= measured.checkpoint_bytes + 20_000
    assert run_bytes(measured, keep=3) == 4 * measured.checkpoint_bytes + measured.model_bytes


def measured(**changes: float) -> Measured:
    memory = Memory(4, 2, 6, 8, 100, 20)
    given = Measured(8, 1, 1000, 2.0, 7.0, memory, 12, 4)
    return given._replace(**changes)


@given(st.integers(1, 300), st.integers(1, 50), st.integers(1, 80), st.integers(0, 300))
def test_hours_are_those_of_the_steps_and_looks_that_are_left(steps: int, log: int, look: int, done: int) -> None:
    training = TrainingConfig(steps=steps, log_every=log, evaluate_every=look)
    done = min(done, steps)
    seconds = 0.0
    for step in range(done + 1, steps + 1):
        seconds += 2.0
        if training.logs(step) and training.looks(step):
            seconds += 7.0
    assert hours(measured(), training, done) == pytest.approx(seconds / 3600)


def test_what_fits_is_judged_by_the_growth_of_activations() -> None:
    # fixed 40, activations 100 for 8 sequences: 240 for 16, of which nine tenths of the free memory must hold
    assert measured().memory.fixed == 40
    assert fits(measured(), 16, 267) and not fits(measured(), 16, 266)
    assert fits(measured(), 64, None), "where nobody says how much is free, all is tried"


def test_memory_of_this_process_is_seen() -> None:
    before = held()
    much = np.frombuffer(mmap(-1, 2**26))  # of its own, not what a test before has freed
    much[:] = 1
    assert 60 * 2**20 < held() - before < 100 * 2**20
    assert held(peak=True) >= held() > before > 2**20
    assert size_of([torch.zeros(3, dtype=torch.bfloat16), torch.zeros(2, 2)]) == 22
    assert much[0] == 1


def test_free_memory_is_at_most_what_the_machine_has() -> None:
    free = free_memory(torch.device("cpu"))
    total = int(Path("/proc/meminfo").read_text().partition("MemTotal:")[2].split()[0]) * 1024
    assert free is not None and 0 < free <= total
