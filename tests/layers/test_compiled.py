"""What is compiled is what is written: outputs and gradients, for any number of rows, from one program."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from maskwright.draws import generator
from maskwright.layers.compiled import compile_layers, missing
from maskwright.layers.cross_entropy import at_once
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.recompute import Recompute, recompute
from tests.models.networks import network, small
from tests.parity import draw_batch

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="kernels for CPUs are made by a compiler")


def test_softmax_and_its_gradient_at_once_are_those_of_torch() -> None:
    draws = torch.Generator().manual_seed(0)
    scores = torch.randn(7, 11, generator=draws).mul_(30).requires_grad_()
    target = torch.randint(0, 11, (7,), generator=draws)
    loss, correct, gradient = at_once(scores.detach(), target)
    wanted = torch.nn.functional.cross_entropy(scores, target, reduction="sum")
    torch.testing.assert_close(loss, wanted.detach())
    torch.testing.assert_close(gradient, torch.autograd.grad(wanted, scores)[0])
    assert correct == (scores.argmax(-1) == target).sum()


def test_what_cannot_be_compiled_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(written: Any) -> Any:
        raise RuntimeError("\nno compiler: c++ not found\n\nSet TORCH_LOGS for more")

    monkeypatch.setattr(torch, "compile", broken)
    assert missing(torch.device("cpu")) == "no compiler: c++ not found"


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("model_type", ["bert", "gpt2"])
def test_compiled_layers_are_the_written_ones_whatever_the_rows(model_type: str, rate: float) -> None:
    assert missing(torch.device("cpu")) is None
    torch._dynamo.reset()
    head = "mlm" if model_type == "bert" else "lm"
    shape = small(model_type, num_hidden_layers=3, hidden_dropout_prob=rate, attention_probs_dropout_prob=rate)
    written, made = (network(shape, (head,)).train() for _ in range(2))
    assert compile_layers(made) == 3
    counters: Any = torch._dynamo.utils.counters  # pyright: ignore[reportPrivateUsage]
    before = counters["stats"]["unique_graphs"]
    for lengths in ([5, 3], [9, 2, 4], [17], [30, 1]):
        batch = draw_batch(generator(0, "rows", sum(lengths)), lengths, 50, 2 if model_type == "bert" else 0)
        losses = list[torch.Tensor]()
        for model in (written, made):
            model.zero_grad()
            losses.append(model.tallies(batch, DropoutStream(0, "rows"))[head].loss_sum)
            losses[-1].backward()
        torch.testing.assert_close(*losses)
        for (name, ours), theirs in zip(made.named_parameters(), written.parameters(), strict=True):
            torch.testing.assert_close(ours.grad, theirs.grad, msg=lambda said, name=name: f"{name}: {said}")
    assert before < counters["stats"]["unique_graphs"] < before + 3


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("what", ["attention", "layers"])
def test_compiled_layers_computed_twice_are_those_computed_once(what: Recompute) -> None:
    once, twice = (network(small(num_hidden_layers=3, hidden_dropout_prob=0.3), ("mlm",)).train() for _ in range(2))
    batch = draw_batch(generator(0, "rows"), [9, 2, 14], 50, 2)
    assert compile_layers(once) == compile_layers(twice) == 3 and recompute(twice, what) == 2
    for model in (once, twice):
        model.tallies(batch, DropoutStream(0, "rows"))["mlm"].loss_sum.backward()
    for ours, theirs in zip(twice.encoder.parameters(), once.encoder.parameters(), strict=True):
        assert (ours.grad is None) == (theirs.grad is None)
        assert ours.grad is None or theirs.grad is None or ours.grad.equal(theirs.grad)


PROCESS = """
import torch, json
from maskwright.draws import generator
from maskwright.layers.compiled import compile_layers
from maskwright.layers.dropout import DropoutStream
from tests.models.networks import network, small
from tests.parity import draw_batch
model = network(small(num_hidden_layers=3, hidden_dropout_prob=0.3), ("mlm",)).train()
compile_layers(model)
model.tallies(draw_batch(generator(0, "rows"), [9, 2, 14], 50, 2), DropoutStream(0, "rows"))["mlm"].loss_sum.backward()
print(json.dumps(torch._dynamo.utils.counters["inductor"]))
"""


@needs_compiler
@pytest.mark.slow
def test_another_process_finds_the_kernels_that_one_has_made(tmp_path: Path) -> None:
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    told: list[dict[str, int]] = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", PROCESS], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        told.append(json.loads(done.stdout.splitlines()[-1]))
    (first, second), hit, miss = told, "fxgraph_cache_hit", "fxgraph_cache_miss"
    assert first[miss] > 0 and hit not in first
    assert second[hit] == first[miss] and miss not in second
