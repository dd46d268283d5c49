"""A network that is cut among ranks: it learns what a whole one does, and any number goes on, cut or not."""

import json
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from maskwright.training.fully_sharded import whole_at_once
from maskwright.training.training_config import TrainingConfig
from tests.models.networks import network, small
from tests.training.small_corpus import SMALL, environment, make_corpus
from tests.training.test_ranks import done, same, steps, torchrun, workers

CUT = "--training.micro_sequences 4 --training.shard parameters --training.steps 21 --training.keep 9".split()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def line(corpus: Path, out: Path, *more: str, recipe: str = "bert") -> list[str]:
    return ["pretrain", recipe, "--size", "tiny", "--corpus", str(corpus), "--out", str(out), *SMALL, *CUT, *more]


def alone(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "maskwright", *arguments]


def alike(one: Path, other: Path) -> bool:
    """Whether their losses are those of one run, but for what rounding comes to in 21 steps of bf16."""
    pairs = list(zip(losses(one), losses(other), strict=True))
    return all(abs(a - b) < 5e-3 for a, b in pairs)


def losses(out: Path) -> list[float]:
    entries = [json.loads(text) for text in (out / "metrics.jsonl").read_text().splitlines()]
    return [entry["loss"] for entry in entries] + [e["held_out"]["loss"] for e in entries if e.get("held_out")]


@pytest.mark.parametrize("count", [2, pytest.param(3, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)])
def test_it_moves_as_a_whole_one_and_any_number_goes_on(count: int, tmp_path: Path) -> None:
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    command = [*run, "-m", "tests.training.cut", str(tmp_path)]
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=400, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]


@pytest.fixture(scope="module")
def cut_run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By two processes, with the checkpoint of step 7 as its last."""
    out = tmp_path_factory.mktemp("cut") / "run"
    done(torchrun(2, *line(corpus, out)))
    assert (out / "checkpoints/step-00000007/optimizer-00002-of-00002.safetensors").is_file()
    return out


def test_it_learns_what_a_whole_one_does(corpus: Path, cut_run: Path, tmp_path: Path) -> None:
    done(alone(*line(corpus, tmp_path / "whole")))
    assert alike(tmp_path / "whole", cut_run)
    whole, ours = (load_file(out / "model" / "model.safetensors") for out in (tmp_path / "whole", cut_run))
    assert whole.keys() == ours.keys()
    for name, tensor in whole.items():  # 21 updates of at most 1e-4 each: what lies elsewhere would be further off
        torch.testing.assert_close(ours[name], tensor, rtol=0, atol=2e-3)


@pytest.mark.parametrize(("count", "shard"), [(1, "none"), (2, "optimizer"), (2, "parameters")])
def test_others_go_on_from_its_checkpoint(count: int, shard: str, corpus: Path, cut_run: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(cut_run, tmp_path / "run"))
    for left in ("model", "checkpoints/step-00000014", "checkpoints/step-00000021"):
        shutil.rmtree(out / left)
    given = line(corpus, out, "--training.shard", shard)
    assert "step 7" in done(torchrun(count, *given) if count > 1 else alone(*given))
    assert alike(cut_run, out)
    if shard == "parameters":
        assert same(cut_run, out)


@pytest.mark.slow
def test_a_lost_process_ends_all_and_a_restart_goes_on(corpus: Path, cut_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "lost"
    command = torchrun(2, *line(corpus, out), more=("--max-restarts", "1"))
    launcher = subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL)
    while steps(out) < 10 and launcher.poll() is None:
        time.sleep(0.05)
    subprocess.run(["kill", "-9", workers(launcher)[-1]], check=True)
    assert launcher.wait(120) == 0
    assert same(cut_run, out)


@pytest.mark.slow
def test_a_causal_network_is_cut_too(corpus: Path, tmp_path: Path) -> None:
    runs = [tmp_path / "gpt2", tmp_path / "whole"]
    for out, run in zip(runs, (partial(torchrun, 2), alone), strict=True):
        settings = dict(zip(*[iter([*SMALL, *CUT, "--layout.max_length", "32"])] * 2, strict=True))
        given = [word for pair in settings.items() for word in pair if not pair[0].startswith(("--start", "--model"))]
        done(run("pretrain", "gpt2", "--size", "tiny", "--corpus", str(corpus), "--out", str(out), *given))
    assert alike(*runs)


def test_what_does_not_go_together_is_refused(corpus: Path, tmp_path: Path) -> None:
    for setting in ({"groups": 2}, {"graphs": "always"}):
        with pytest.raises(ValueError, match="sums gradients in the library's order"):
            TrainingConfig.model_validate({"shard": "parameters", **setting})
    phases = (
        "--training.batch_sequences 5 --training.micro_sequences 1 --length_warmup.share 0.3 --length_warmup.first 32"
    )
    phases += " --second_phase.share 0.3 --second_phase.max_length 48 --second_phase.batch_sequences 4"
    assert "5 micro-batches of a step on 2 processes" in done(
        torchrun(2, *line(corpus, tmp_path / "phases", *phases.split())), rc=1
    )
    told = done(torchrun(2, *line(corpus, tmp_path / "uneven", "--training.micro_sequences", "3")), rc=1)
    assert "3 micro-batches of a step on 2 processes: some compute 2, others 1 and wait" in told
    assert "with training.shard parameters all must compute as many" in told
    assert "muon moves whole matrices" in done(
        torchrun(2, *line(corpus, tmp_path / "muon", "--optimizer.name", "muon")), rc=1
    )


def test_what_is_whole_at_once_is_a_layer_the_next_and_what_is_outside_of_layers() -> None:
    bert, albert = network(small(num_hidden_layers=5)), network(small("albert", num_hidden_layers=5))
    layer = sum(parameter.numel() for parameter in bert.encoder.layers[0].parameters())
    sizes = [sum(parameter.numel() for parameter in module.parameters()) for module in (bert, albert)]
    assert whole_at_once(bert) == sizes[0] - 3 * layer
    assert whole_at_once(albert) == sizes[1], "all places share the weights of one layer"
    assert whole_at_once(torch.nn.Linear(3, 4)) == 16
