"""What is compiled is what is written: outputs and gradients, for any number of rows, from one program."""

import shutil
from typing import Any

import pytest
import torch

from maskwright.draws import generator
from maskwright.layers.compiled import compile_layers
from maskwright.layers.cross_entropy import at_once
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


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("model_type", ["bert", "gpt2"])
def test_compiled_layers_are_the_written_ones_whatever_the_rows(model_type: str) -> None:
    head = "mlm" if model_type == "bert" else "lm"
    written, made = (network(small(model_type, num_hidden_layers=3), (head,)).train() for _ in range(2))
    assert compile_layers(made) == 3
    counters: Any = torch._dynamo.utils.counters  # pyright: ignore[reportPrivateUsage]
    for lengths in ([5, 3], [9, 2, 4], [17], [30, 1]):
        batch = draw_batch(generator(0, "rows", sum(lengths)), lengths, 50, 2 if model_type == "bert" else 0)
        for model in (written, made):
            model.zero_grad()
            model.tallies(batch)[head].loss_sum.backward()
        assert counters["frames"]["ok"] > 0
        programs = counters["stats"]["unique_graphs"]
        for (name, ours), theirs in zip(made.named_parameters(), written.parameters(), strict=True):
            torch.testing.assert_close(ours.grad, theirs.grad, msg=lambda said, name=name: f"{name}: {said}")
    assert programs == counters["stats"]["unique_graphs"] < 3
