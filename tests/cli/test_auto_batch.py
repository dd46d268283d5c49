"""`--auto-batch`: memory that runs out is told in one line, or gone on with in smaller micro-batches."""

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from maskwright.batch import Batch
from maskwright.checkpoints.tensor_file import read_tensors
from maskwright.cli import main
from maskwright.config import override, read_toml
from maskwright.training import checkpoint, memory
from maskwright.training.finetuning import Finetuning
from maskwright.training.masked_recipe import Recipe
from maskwright.training.metrics import read_metrics
from maskwright.training.optimizers import Optimizer
from maskwright.training.pretraining import Pretraining
from tests.checkpoints import made_up
from tests.cli.test_finetune import examples, table
from tests.training.small_corpus import SMALL, command, environment, make_corpus

EXACT = (
    "--training.steps 10 --training.precision float32 --model.hidden_dropout_prob 0 "
    "--model.attention_probs_dropout_prob 0 --training.save_every 100"
).split()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def scarce(monkeypatch: pytest.MonkeyPatch, network: type, sequences: int, after: int, error: type) -> None:
    """From the call `after` on, a pass with gradients over more than so many sequences finds no memory."""
    tallies: Callable[..., Any] = network.tallies
    calls = iter(range(10**6))

    def limited(self: Any, batch: Batch, stream: Any = None) -> Any:
        if torch.is_grad_enabled() and next(calls) >= after and batch.num_sequences > sequences:
            words = (
                "[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: you tried to allocate"
            )
            raise error(words)
        return tallies(self, batch, stream)

    monkeypatch.setattr(network, "tallies", limited)


def pretrain(corpus: Path, out: Path, *more: object) -> int:
    given = ("pretrain", "bert", "--corpus", corpus, "--out", out, *SMALL, *EXACT, *more)
    return main([str(argument) for argument in given])


def close(one: Path, other: Path) -> None:
    """Equal losses, line by line, and equal weights, to float32's precision."""
    for ours, theirs in zip(read_metrics(one), read_metrics(other), strict=True):
        assert ours["step"] == theirs["step"] and ours["tokens"] == theirs["tokens"]
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
        assert ours["gradient_norm"] == pytest.approx(theirs["gradient_norm"], rel=1e-4)
    theirs = dict(read_tensors(other / "model" / "model.safetensors"))
    for name, tensor in dict(read_tensors(one / "model" / "model.safetensors")).items():
        torch.testing.assert_close(tensor, theirs[name], rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"training.micro_sequences": 32}, [32, 16, 8, 4, 2, 1]),
        ({"training.micro_sequences": 1}, [1]),
        ({"training.micro_sequences": 1, "second_phase.micro_sequences": 8}, [8, 4, 2, 1]),
        ({"training.micro_sequences": 4, "second_phase.micro_sequences": 2}, [4, 2, 1]),
        ({"training.micro_sequences": 64, "training.batch_sequences": 6}, [6, 3, 1]),
    ],
)
def test_the_larger_of_two_phases_is_what_is_at_once(changes: dict[str, int], wanted: list[int]) -> None:
    table = {"corpus": "c", "model": {"model_type": "bert", "vocab_size": 100}}
    recipe: Any = Recipe.model_validate(override(table, {"training.batch_sequences": 256, **changes}))
    found: list[int] = []
    while recipe is not None:
        found.append(memory.at_once(recipe))
        recipe = memory._halved(recipe)
    assert found == wanted


def test_what_a_recipe_leaves_unsaid_is_no_size() -> None:
    """As recipe.toml has it: there is no null in TOML."""
    assert memory._sizes({"training": {"micro_sequences": 4}, "second_phase": {"micro_sequences": "none"}}) == {
        "training.micro_sequences": 4
    }


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, torch.OutOfMemoryError])
def test_it_halves_until_a_step_fits_and_goes_on_from_it(
    tmp_path: Path,
    corpus: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: type[Exception],
) -> None:
    assert pretrain(corpus, tmp_path / "small", "--training.micro_sequences", 2) == 0
    scarce(monkeypatch, Pretraining, 2, 4, error)
    capsys.readouterr()
    assert pretrain(corpus, tmp_path / "run", "--training.micro_sequences", 8, "--auto-batch") == 0
    said = capsys.readouterr().err
    assert "step 5: out of memory with 8 sequences at once" in said
    assert "going on with 4 sequences" in said and "going on with 2 sequences" in said
    assert "going on from step 4" in said
    assert "not be bit for bit those of one run" in said and "micro_sequences: 8 before, 4 now" in said
    close(tmp_path / "run", tmp_path / "small")
    assert read_toml(tmp_path / "run" / "recipe.toml")["training"]["micro_sequences"] == 2
    begun = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert begun["micro_sequences"] == 8
    assert [change["micro_sequences"] for change in begun["resumed_with"]] == [4, 2]


def test_the_same_line_goes_on_with_what_was_come_to(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    line = ("--training.micro_sequences", 8)
    with monkeypatch.context() as patch:
        scarce(patch, Pretraining, 4, 4, RuntimeError)
        patch.setattr("maskwright.recipes.bert.finish", stopped)
        assert pretrain(corpus, tmp_path / "run", *line, "--auto-batch") == 130
    assert checkpoint.steps(tmp_path / "run")
    assert pretrain(corpus, tmp_path / "run", *line) == 2
    assert "training.micro_sequences = 4 there, 8 here" in capsys.readouterr().err
    scarce(monkeypatch, Pretraining, 4, 0, RuntimeError)
    assert pretrain(corpus, tmp_path / "run", *line, "--auto-batch") == 0
    assert "out of memory" not in capsys.readouterr().err


def test_without_it_one_line_says_what_to_do_and_the_step_before_is_kept(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scarce(monkeypatch, Pretraining, 4, 5, RuntimeError)
    assert pretrain(corpus, tmp_path / "run", "--training.micro_sequences", 8) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "step 6: out of memory with 8 sequences at once: halve training.micro_sequences" in last
    assert "maskwright plan" in last and "--auto-batch" in last
    assert checkpoint.steps(tmp_path / "run") == [5]


def test_one_sequence_that_finds_no_memory_ends_it(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scarce(monkeypatch, Pretraining, 0, 0, RuntimeError)
    assert pretrain(corpus, tmp_path / "run", "--training.micro_sequences", 4, "--auto-batch") == 1
    assert "out of memory with 1 sequence at once: take a smaller size" in capsys.readouterr().err.splitlines()[-1]


def test_weights_that_were_half_moved_are_not_saved(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same line goes on from the checkpoint before, to what a run makes that was never short of memory."""
    line = ("--training.save_every", 3)
    assert pretrain(corpus, tmp_path / "whole", *line) == 0
    step, calls = Optimizer.step, iter(range(10**6))

    def short(self: Optimizer, rate: float) -> None:
        if next(calls) == 4:
            self.flat.master.mul_(2)
            raise torch.OutOfMemoryError("CUDA out of memory")
        step(self, rate)

    with monkeypatch.context() as patch:
        patch.setattr(Optimizer, "step", short)
        assert pretrain(corpus, tmp_path / "run", *line, "--auto-batch") == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "step 5: out of memory while the optimizer moved the weights" in last and "shard optimizer" in last
    assert checkpoint.steps(tmp_path / "run") == [3]
    assert pretrain(corpus, tmp_path / "run", *line) == 0
    close(tmp_path / "run", tmp_path / "whole")


def test_other_errors_are_no_want_of_memory(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(Pretraining, "tallies", broken)
    assert pretrain(corpus, tmp_path / "run", "--auto-batch") == 1
    assert "unexpected RuntimeError: shapes cannot be multiplied" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--training.batch_tokens", "400", "--training.micro_tokens", "100"],
            "rows of training.micro_tokens are packed",
        ),
    ],
)
def test_what_cannot_be_halved_is_refused(
    tmp_path: Path, corpus: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert pretrain(corpus, tmp_path / "run", "--auto-batch", *arguments) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_several_processes_are_refused(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert pretrain(corpus, tmp_path / "run", "--auto-batch") == 2
    assert "--auto-batch goes with one process" in capsys.readouterr().err


def test_fine_tuning_does_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made_up.folder(tmp_path / "encoder", ("mlm",))
    config = tmp_path / "encoder" / "config.json"
    dropped = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), 0.0)
    config.write_text(json.dumps(json.loads(config.read_text()) | dropped))
    given = (
        *("finetune", "classification", "--model", tmp_path / "encoder", "--epochs", 4, "--dropout", 0),
        *("--train", table(tmp_path / "train.csv", examples(16)), "--training.batch-sequences", 8),
        *("--training.precision", "float32", "--stopping.keep", "last"),
    )

    def tuned(out: str, *more: object) -> int:
        return main([str(argument) for argument in (*given, "--out", tmp_path / out, *more)])

    assert tuned("small", "--training.micro-sequences", 2) == 0
    scarce(monkeypatch, Finetuning, 2, 3, RuntimeError)
    assert tuned("run", "--training.micro-sequences", 8, "--auto-batch") == 0
    assert "going on with 2 sequences" in capsys.readouterr().err
    close(tmp_path / "run", tmp_path / "small")


MOST = """
import sys
from pathlib import Path
from maskwright.cli import main
assert main(sys.argv[1:]) == 0
print(1024 * int(Path("/proc/self/status").read_text().partition("VmPeak:")[2].split()[0]), file=sys.stderr)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits are Linux's")
def test_a_limit_of_the_system_is_met(tmp_path: Path, corpus: Path) -> None:
    """A limit half way between what 16 and what 256 sequences at once take."""
    line = ["pretrain", "bert", "--size", "tiny", "--corpus", str(corpus), "--training.batch_sequences", "256"]
    line += ["--training.steps", "2", "--training.held_out_sequences", "8", "--second_phase.share", "0"]

    def at_once(sequences: int, *more: str) -> list[str]:
        return [*line, "--training.micro_sequences", str(sequences), "--out", str(tmp_path / f"{sequences}"), *more]

    def most(sequences: int) -> int:
        held = subprocess.run(
            [sys.executable, "-c", MOST, *at_once(sequences)],
            env=environment(), capture_output=True, text=True, check=True, timeout=300,
        )  # fmt: skip
        return int(held.stderr.splitlines()[-1])

    limit = (most(16) + most(256)) // 2
    shutil.rmtree(tmp_path / "256")
    done = subprocess.run(
        command(*at_once(256, "--auto-batch")), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, -1)),
        env=environment(), capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "out of memory with 256 sequences at once" in done.stderr
    assert 16 <= read_toml(tmp_path / "256" / "recipe.toml")["training"]["micro_sequences"] < 256
