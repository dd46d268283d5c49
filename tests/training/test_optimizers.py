"""Optimizers against Google's own test, fractions by hand, and torch's over separate parameters."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from maskwright.errors import BadInput, MaskwrightError
from maskwright.training import checkpoint
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from maskwright.training.pretraining import Pretraining
from maskwright.training.ways import decay_lists, layer_matrices
from tests.models.networks import network, small

DECAYED = """
    encoder.embeddings.token
    encoder.embeddings.token_type
    encoder.embeddings.position.weight
    encoder.layers.0.query_key_value.weight
    encoder.layers.0.attention_output.weight
    encoder.layers.0.intermediate.weight
    encoder.layers.0.output.weight
    encoder.pooler.weight
    heads.mlm.dense.weight
    heads.nsp.seq_relationship.weight
""".split()
EXEMPT = """
    encoder.embeddings.norm.weight
    encoder.embeddings.norm.bias
    encoder.layers.0.query_key_value.bias
    encoder.layers.0.attention_output.bias
    encoder.layers.0.attention_norm.weight
    encoder.layers.0.attention_norm.bias
    encoder.layers.0.intermediate.bias
    encoder.layers.0.output.bias
    encoder.layers.0.output_norm.weight
    encoder.layers.0.output_norm.bias
    encoder.pooler.bias
    heads.mlm.bias
    heads.mlm.dense.bias
    heads.mlm.norm.weight
    heads.mlm.norm.bias
    heads.nsp.seq_relationship.bias
""".split()
MATRICES = """
    encoder.layers.0.query_key_value.weight
    encoder.layers.0.attention_output.weight
    encoder.layers.0.intermediate.weight
    encoder.layers.0.output.weight
""".split()


def test_what_decays_what_does_not_and_what_muon_moves() -> None:
    module = network(small(num_hidden_layers=1))
    assert decay_lists(module) == (DECAYED, EXEMPT)
    assert layer_matrices(module) == MATRICES


def test_the_exempt_are_those_of_google_s_pattern() -> None:
    """google-research/bert optimization.py: exclude_from_weight_decay=["LayerNorm", "layer_norm", "bias"]."""
    module = network(small())
    published = {name.ours: name.published for name in module.weight_names()}
    excluded = {ours for ours, names in published.items() if "LayerNorm" in names[0] or "bias" in names[0]}
    assert set(decay_lists(module)[1]) == excluded


class OneTensor(nn.Module):
    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(values))


def test_google_s_own_test() -> None:
    """google-research/bert optimization_test.py, `test_adam`."""
    module = OneTensor([0.1, -0.2, -0.1])
    optimizer = Optimizer(module, OptimizerConfig(name="google", rate=0.2, weight_decay=0.0), torch.float32)
    goal = torch.tensor([0.4, 0.2, -0.5])
    for _ in range(100):
        (goal - module.w).square().mean().backward()
        optimizer.flat.collect(first=True)
        optimizer.step(1.0)
    torch.testing.assert_close(module.w.data, goal, rtol=1e-2, atol=1e-2)


def test_the_first_three_steps_in_fractions() -> None:
    """The closed form: m_n and v_n as weighted sums over all gradients so far, not by recursion."""
    rate, decay, epsilon = Fraction(1, 8), Fraction(1, 100), Fraction(1, 10**6)
    beta1, beta2 = Fraction(9, 10), Fraction(999, 1000)
    gradients, factors = [Fraction(3), Fraction(-1), Fraction(1, 2)], [Fraction(1, 4), Fraction(1), Fraction(1, 2)]
    expected, exact = [], Fraction(2)
    for n in (1, 2, 3):
        mean = sum((1 - beta1) * beta1 ** (n - i) * gradients[i - 1] for i in range(1, n + 1))
        square = sum((1 - beta2) * beta2 ** (n - i) * gradients[i - 1] ** 2 for i in range(1, n + 1))
        root = Fraction(float(square) ** 0.5)
        exact -= factors[n - 1] * rate * (mean / (root + epsilon) + decay * exact)
        expected.append(float(exact))

    module = nn.Module()
    module.w = nn.Parameter(torch.tensor([[2.0]]))  # a matrix, so that it decays
    config = OptimizerConfig(name="google", rate=float(rate), weight_decay=float(decay))
    optimizer = Optimizer(module, config, torch.float64)
    for gradient, factor, value in zip(gradients, factors, expected, strict=True):
        optimizer.flat.gradient.fill_(float(gradient))
        optimizer.step(float(factor))
        assert optimizer.flat.master.item() == pytest.approx(value, rel=1e-12)


def test_google_s_first_step_is_longer_by_the_missing_correction() -> None:
    moved = {}
    for name in ("google", "adamw"):
        optimizer = Optimizer(OneTensor([1.0]), OptimizerConfig(name=name, rate=0.01, weight_decay=0.0), torch.float64)
        optimizer.flat.gradient.fill_(5.0)
        optimizer.step(1.0)
        moved[name] = 1.0 - optimizer.flat.master.item()
    assert moved["google"] / moved["adamw"] == pytest.approx(0.1 / 0.001**0.5, rel=1e-5)  # 3.162


def separate(module: Pretraining, split: Callable[[str, Tensor], list[Tensor]]) -> dict[str, list[nn.Parameter]]:
    return {
        name: [nn.Parameter(part.detach().clone()) for part in split(name, p)] for name, p in module.named_parameters()
    }


def blocks(name: str, tensor: Tensor) -> list[Tensor]:
    """Query, key and value each by itself."""
    return list(tensor.chunk(3)) if name.endswith("query_key_value.weight") else [tensor]


def follow(
    config: OptimizerConfig,
    theirs: Callable[[dict[str, list[nn.Parameter]]], list[torch.optim.Optimizer]],
    dtype: torch.dtype,
) -> float:
    """20 steps of both on the same drawn gradients; the largest difference of any weight."""
    module = network(small())
    parameters = separate(module, blocks)
    ours, others = Optimizer(module, config, dtype), theirs(parameters)
    peaks = [[group["lr"] for group in other.param_groups] for other in others]
    drawn = torch.Generator().manual_seed(0)
    for step in range(20):
        factor = (step + 1) / 20
        for name, view in ours.flat.gradient_of.items():
            view.copy_(torch.randn(view.shape, generator=drawn))
            for parameter, part in zip(parameters[name], blocks(name, view), strict=True):
                parameter.grad = part.clone()
        for other, rates in zip(others, peaks, strict=True):
            for group, rate in zip(other.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            other.step()
        ours.step(factor)
    return max(
        float((torch.cat([p.detach() for p in parameters[name]]) - master).abs().max())
        for name, master in ours.flat.master_of.items()
    )


def flatten(parameters: dict[str, list[nn.Parameter]], names: list[str]) -> list[nn.Parameter]:
    return [parameter for name in names for parameter in parameters[name]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_adamw_is_torch_s_over_separate_parameters(dtype: torch.dtype) -> None:
    def theirs(parameters: dict[str, list[nn.Parameter]]) -> list[torch.optim.Optimizer]:
        decayed, exempt = decay_lists(network(small()))
        groups = [
            {"params": flatten(parameters, decayed), "weight_decay": 0.05},
            {"params": flatten(parameters, exempt), "weight_decay": 0.0},
        ]
        return [torch.optim.AdamW(groups, lr=3e-3, betas=(0.8, 0.98), eps=1e-7)]

    config = OptimizerConfig(name="adamw", rate=3e-3, beta1=0.8, beta2=0.98, epsilon=1e-7, weight_decay=0.05)
    assert follow(config, theirs, dtype) <= 2e-7


def test_muon_is_torch_s_with_query_key_and_value_apart() -> None:
    def theirs(parameters: dict[str, list[nn.Parameter]]) -> list[torch.optim.Optimizer]:
        module = network(small())
        matrices = layer_matrices(module)
        decayed, exempt = decay_lists(module)
        groups = [
            {"params": flatten(parameters, [n for n in decayed if n not in matrices]), "weight_decay": 0.01},
            {"params": flatten(parameters, exempt), "weight_decay": 0.0},
        ]
        muon = torch.optim.Muon(flatten(parameters, matrices), lr=0.02, weight_decay=0.1, momentum=0.9)
        return [torch.optim.AdamW(groups, lr=1e-3, eps=1e-6), muon]

    config = OptimizerConfig(name="muon", rate=1e-3, matrix_rate=0.02, matrix_decay=0.1, momentum=0.9)
    assert follow(config, theirs, torch.float32) <= 2e-7


def test_muon_makes_query_key_and_value_orthogonal_each_by_itself() -> None:
    """The update of each (16, 16) block has singular values near 1; of the stacked (48, 16) matrix it would not."""
    module = network(small(num_hidden_layers=1))
    config = OptimizerConfig(name="muon", matrix_rate=1.0, matrix_decay=0.0)
    optimizer = Optimizer(module, config, torch.float32)
    name = "encoder.layers.0.query_key_value.weight"
    before = optimizer.flat.master_of[name].clone()
    optimizer.flat.gradient.copy_(torch.randn(len(optimizer.flat.gradient), generator=torch.Generator().manual_seed(0)))
    optimizer.step(1.0)
    update = before - optimizer.flat.master_of[name]
    for part in update.chunk(3):
        values = torch.linalg.svdvals(part)
        assert float(values.min()) > 0.6 and float(values.max()) < 1.3
    assert float(torch.linalg.svdvals(update).max()) > 1.4


def test_muon_needs_layers() -> None:
    with pytest.raises(BadInput, match="take adamw"):
        Optimizer(OneTensor([1.0]), OptimizerConfig(name="muon"), torch.float32)


@pytest.mark.parametrize("key", ["rate", "epsilon", "weight_decay", "matrix_rate", "matrix_decay"])
@pytest.mark.parametrize("value", ["inf", "nan", -1.0])
def test_rates_are_positive_numbers(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        OptimizerConfig(**{key: value})
    with pytest.raises(ValidationError):  # beyond what float32 multiplies with
        OptimizerConfig(rate=3e38)


def stepped(name: str, steps: int, seed: int = 0) -> tuple[Optimizer, torch.Generator]:
    optimizer = Optimizer(network(small(), seed=seed), OptimizerConfig(name=name), torch.bfloat16)
    drawn = torch.Generator().manual_seed(3)
    go_on(optimizer, drawn, steps)
    return optimizer, drawn


def go_on(optimizer: Optimizer, drawn: torch.Generator, steps: int) -> None:
    for _ in range(steps):
        optimizer.flat.gradient.copy_(torch.randn(len(optimizer.flat.gradient), generator=drawn))
        optimizer.step(0.7)


@pytest.mark.parametrize("name", ["adamw", "google", "muon", "lamb"])
@pytest.mark.parametrize("steps", [0, 1, 4])
def test_a_checkpoint_gives_back_every_bit(tmp_path: Path, name: str, steps: int) -> None:
    ours, drawn = stepped(name, steps)
    tensors = {"model": ours.flat.tensors(), "optimizer": ours.tensors()}
    saved = checkpoint.load(checkpoint.save(tmp_path, steps, tensors, {}))

    theirs, _ = stepped(name, 0, seed=1)
    theirs.flat.load(saved.tensors["model"])
    theirs.load(saved.tensors["optimizer"])
    assert same(theirs.tensors(), tensors["optimizer"]) and theirs.flat.working.equal(ours.flat.working)
    again = torch.Generator().manual_seed(0)
    again.set_state(drawn.get_state())
    go_on(ours, drawn, 3)
    go_on(theirs, again, 3)
    assert same(theirs.flat.tensors(), ours.flat.tensors()) and same(theirs.tensors(), ours.tensors())


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(a[name].equal(b[name]) and a[name].dtype == b[name].dtype for name in a)


@pytest.mark.parametrize("name", ["adamw", "google", "muon", "lamb"])
@pytest.mark.parametrize("fault", ["missing", "another shape", "unknown", "another kind"])
def test_the_state_of_another_optimizer_is_refused(name: str, fault: str) -> None:
    ours, _ = stepped(name, 2)
    given = {key: tensor.clone() for key, tensor in ours.tensors().items()}
    key = next(key for key, tensor in given.items() if tensor.ndim > 0)
    if fault == "missing":
        del given[key]
    elif fault == "another shape":
        given[key] = torch.zeros(1)
    elif fault == "unknown":
        given[f"{key}2"] = torch.zeros(1)
    else:
        given = {f"other.{key}": tensor for key, tensor in given.items()}
    fresh, _ = stepped(name, 0)
    with pytest.raises(MaskwrightError, match="another version"):
        fresh.load(given)


@pytest.mark.parametrize("name", ["lamb", "google_lamb"])
def test_lamb_by_hand(name: str) -> None:
    """Two steps of You et al. (1904.00962), algorithm 2, number by number; google-research/ALBERT's has no correction.

    The matrix [3, 4] has the length 5; query, key and value that lie together are three matrices; a bias has no ratio.
    """
    module = nn.Module()
    module.w = nn.Parameter(torch.tensor([[3.0, 4.0]], dtype=torch.float64))
    module.query_key_value = nn.Linear(2, 3, bias=False, dtype=torch.float64)
    module.bias = nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    with torch.no_grad():
        module.query_key_value.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]))
    rate, decay, epsilon, betas = 0.1, 0.01, 1e-6, (0.9, 0.999)
    config = OptimizerConfig(name=name, rate=rate, weight_decay=decay)
    optimizer = Optimizer(module, config, torch.float64)
    blocks = {"w": [[3.0, 4.0]], "query_key_value.weight": [[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]], "bias": [[2.0]]}
    moments = {key: [([0.0] * len(row), [0.0] * len(row)) for row in rows] for key, rows in blocks.items()}
    for n, gradient in ((1, 0.5), (2, -2.0)):
        optimizer.flat.gradient.fill_(gradient)
        optimizer.step(1.0)
        for key, rows in blocks.items():
            for row, (mean, square) in zip(rows, moments[key], strict=True):
                update = []
                for i, weight in enumerate(row):
                    mean[i] = betas[0] * mean[i] + (1 - betas[0]) * gradient
                    square[i] = betas[1] * square[i] + (1 - betas[1]) * gradient**2
                    m = mean[i] / (1 - betas[0] ** n) if name == "lamb" else mean[i]
                    v = square[i] / (1 - betas[1] ** n) if name == "lamb" else square[i]
                    update.append(m / (v**0.5 + epsilon) + (decay * weight if key != "bias" else 0.0))
                wanted, length = sum(w * w for w in row) ** 0.5, sum(u * u for u in update) ** 0.5
                ratio = wanted / length if wanted > 0 and key != "bias" else 1.0
                row[:] = [weight - rate * ratio * u for weight, u in zip(row, update, strict=True)]
        for key, rows in blocks.items():
            found = optimizer.flat.master_of[key].reshape(-1).tolist()
            assert found == pytest.approx([weight for row in rows for weight in row], rel=1e-12)
