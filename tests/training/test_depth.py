"""Rates, frozen layers and new beginnings by depth: beside torch's parameter groups, with ELECTRA's numbers."""

import re

import pytest
import torch
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.checkpoints.task_part import TaskPart
from maskwright.errors import BadInput
from maskwright.training.depth import begin_anew, depth_of, freeze, rate_factors
from maskwright.training.finetuning import Finetuning, finetuning
from maskwright.training.optimizers import Optimizer, OptimizerConfig, OptimizerName
from maskwright.training.ways import decay_lists
from tests.models.networks import draw_weights, small
from tests.training.test_finetuning import PARTS, asked

PART = PARTS["class"]


def drawn(kind: str = "bert", **more: int) -> Finetuning:
    model = finetuning(small(kind, **more), PART, 0)
    draw_weights(model, 0)
    return model.double()


def test_the_shares_of_the_rate_are_electra_s() -> None:
    """google-research/electra `_get_layer_lrs`: rate * decay ** (n_layers + 2 - depth)."""
    factors = rate_factors(drawn(num_hidden_layers=3), 0.8)
    theirs = {"embeddings/": 0, "layer_0/": 1, "layer_1/": 2, "layer_2/": 3, "task_specific/": 5}
    ours = {
        "embeddings/": "encoder.embeddings.token",
        **{f"layer_{i}/": f"encoder.layers.{i}.output.weight" for i in range(3)},
        "task_specific/": "head.classifier.weight",
    }
    for key, depth in theirs.items():
        assert factors[ours[key]] == 0.8 ** (3 + 2 - depth)
    assert factors["encoder.pooler.weight"] == 0.8
    assert rate_factors(drawn(), 1.0) == {}


@pytest.mark.parametrize("kind", ["bert", "roberta", "xlm", "xlnet", "gpt2", "openai-gpt"])
def test_every_parameter_has_a_depth(kind: str) -> None:
    model = drawn(kind)
    layers = len(model.encoder.layers)
    depths = {name: depth_of(name, layers) for name, _ in model.named_parameters()}
    assert {depth for name, depth in depths.items() if name.startswith("head.")} == {layers + 2}
    assert set(range(layers + 1)) <= set(depths.values())
    for name, depth in depths.items():
        found = re.search(r"layers\.(\d+)", name)
        assert not found or depth == int(found[1]) + 1


def losses(model: nn.Module, optimizer: Optimizer | None, batch: Batch) -> Tensor:
    assert isinstance(model, Finetuning)
    loss = model.tallies(batch)["task"].loss_sum
    loss.backward()
    if optimizer is not None:
        optimizer.flat.collect(first=True)
    return loss


@pytest.mark.parametrize("kind", ["bert", "xlnet", "gpt2"])
def test_ten_updates_equal_torch_s_adamw_with_parameter_groups(kind: str) -> None:
    """float64, on gradients of the task: every parameter a group of its own there, stretches of one row here."""
    ours, theirs = drawn(kind), drawn(kind)
    factors = rate_factors(ours, 0.65)
    decayed = set(decay_lists(theirs)[0])
    groups = [
        {"params": [parameter], "lr": 1e-2 * factors[name], "weight_decay": 0.1 if name in decayed else 0.0}
        for name, parameter in theirs.named_parameters()
    ]
    stock = torch.optim.AdamW(groups, eps=1e-6)
    peaks = [group["lr"] for group in stock.param_groups]
    config = OptimizerConfig(name="adamw", rate=1e-2, weight_decay=0.1)
    optimizer = Optimizer(ours, config, torch.float64, factors)
    batch = asked(kind, PART)
    for step in range(10):
        for group, peak in zip(stock.param_groups, peaks, strict=True):
            group["lr"] = peak * (1 - step / 10)
        stock.zero_grad()
        torch.testing.assert_close(losses(ours, optimizer, batch), losses(theirs, None, batch), rtol=1e-10, atol=0)
        optimizer.step(1 - step / 10)
        for parameter in theirs.parameters():  # what no loss reaches decays here; torch passes over it
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        stock.step()
    for name, parameter in theirs.named_parameters():
        torch.testing.assert_close(optimizer.flat.master_of[name], parameter.detach(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["adamw", "google", "lamb", "google_lamb", "muon", "adagrad"])
def test_every_optimizer_moves_a_weight_by_its_share(name: OptimizerName) -> None:
    """Without decay an update is a direction times the rate: the first one shows the share."""
    moved: list[dict[str, Tensor]] = []
    for decay in (1.0, 0.5):
        model = drawn()
        config = OptimizerConfig(name=name, rate=1e-3, weight_decay=0, matrix_decay=0)
        optimizer = Optimizer(model, config, torch.float64, rate_factors(model, decay))
        before = {key: tensor.clone() for key, tensor in optimizer.flat.tensors().items()}
        losses(model, optimizer, asked("bert", PART))
        optimizer.step(1.0)
        moved.append({key: tensor - before[key] for key, tensor in optimizer.flat.tensors().items()})
    layers = len(drawn().encoder.layers)
    whole, shares = moved
    for key, update in whole.items():
        share = 0.5 ** (layers + 2 - depth_of(key, layers))
        torch.testing.assert_close(shares[key], share * update, rtol=1e-7, atol=1e-12)
    assert sum(bool(update.any()) for update in whole.values()) > 20


@pytest.mark.parametrize("kind", ["bert", "xlnet", "gpt2"])
def test_frozen_layers_stay_and_the_rest_moves_as_if_they_could_not(kind: str) -> None:
    whole, part = drawn(kind), drawn(kind)
    freeze(part, 1)
    layers = len(part.encoder.layers)
    config = OptimizerConfig(name="adamw", rate=1e-2)
    before = {name: tensor.clone() for name, tensor in part.named_parameters()}
    gradients: list[dict[str, Tensor]] = []
    for model in (whole, part):
        optimizer = Optimizer(model, config, torch.float64)
        losses(model, optimizer, asked(kind, PART))
        gradients.append(dict(optimizer.flat.gradient_of))
        optimizer.step(1.0)
        moved = optimizer.flat.tensors()
    assert gradients[1].keys() == {name for name in before if depth_of(name, layers) > 1}
    for name, gradient in gradients[1].items():
        torch.testing.assert_close(gradient, gradients[0][name], rtol=1e-10, atol=1e-14)
    for name, tensor in moved.items():
        assert tensor.equal(before[name]) == (name not in gradients[1] or not gradients[1][name].any())


def test_embeddings_alone_and_nothing_are_frozen() -> None:
    model = drawn()
    freeze(model, None)
    assert all(parameter.requires_grad for parameter in model.parameters())
    freeze(model, 0)
    kept = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert kept and all(name.startswith("encoder.embeddings.") for name in kept)


def test_frozen_weights_of_a_checkpoint_reach_the_network() -> None:
    """In bfloat16 the network reads a copy of them."""
    saved, fresh = drawn().float(), drawn().float()
    with torch.no_grad():
        for parameter in fresh.parameters():
            parameter.zero_()
    networks: list[Optimizer] = []
    for model in (saved, fresh):
        freeze(model, 1)
        networks.append(Optimizer(model, OptimizerConfig(), torch.bfloat16))
    networks[1].flat.load(networks[0].flat.tensors())
    wanted = dict(saved.named_parameters())
    for name, parameter in fresh.named_parameters():
        assert parameter.dtype == torch.bfloat16 and parameter.equal(wanted[name])


def test_top_layers_begin_anew_and_each_with_draws_of_its_own() -> None:
    model, before = drawn(num_hidden_layers=3), drawn(num_hidden_layers=3)
    begin_anew(model, 2, 0.02, seed=5)
    there = dict(before.named_parameters())
    for name, parameter in model.named_parameters():
        anew = name.startswith(("encoder.layers.1.", "encoder.layers.2.", "encoder.pooler."))
        assert parameter.equal(there[name]) != anew, name
    one, two = (model.encoder.layers[i].get_parameter("output.weight").detach() for i in (1, 2))
    assert not one.equal(two)
    assert float(one.abs().max()) <= 0.04 and float(one.std()) == pytest.approx(0.0176, rel=0.1)  # cut at 2 deviations
    assert not model.encoder.layers[1].get_parameter("output.bias").any()
    assert bool((model.encoder.layers[2].get_parameter("output_norm.weight") == 1).all())
    other = drawn(num_hidden_layers=3)
    begin_anew(other, 2, 0.02, seed=6)
    assert not other.encoder.layers[1].get_parameter("output.weight").equal(one)


def test_gpt_2_s_new_layers_are_scaled_as_its_first_ones() -> None:
    model = drawn("gpt2")
    layers = len(model.encoder.layers)
    begin_anew(model, 1, 0.02, seed=5)
    top = model.encoder.layers[layers - 1].requires_grad_(False)
    ratio = float(top.get_parameter("output.weight").detach().std() / top.get_parameter("intermediate.weight").std())
    assert ratio == pytest.approx((2 * layers) ** -0.5, rel=0.15)


def test_what_depth_cannot_say_is_refused() -> None:
    albert = drawn("albert")
    layers = len(albert.encoder.layers)
    assert layers > 1
    with pytest.raises(BadInput, match=r"layers.decay 0.9: the layers of ALBERT share their weights"):
        rate_factors(albert, 0.9)
    with pytest.raises(BadInput, match=rf"layers.frozen 1 of {layers}: the layers of ALBERT share"):
        freeze(albert, 1)
    with pytest.raises(BadInput, match=rf"layers.reinitialised 1 of {layers}: the layers of ALBERT share"):
        begin_anew(albert, 1, 0.02, 0)
    freeze(albert, 0)
    freeze(albert, layers)
    begin_anew(albert, layers, 0.02, 0)
    with pytest.raises(BadInput, match=r"layers.frozen is 9: this encoder has 2 layers"):
        freeze(drawn(num_hidden_layers=2), 9)
    tagger = finetuning(small("gpt2"), TaskPart("tags", ("O", "B")), 0)
    with pytest.raises(BadInput, match=r"layers.reinitialised is 99"):
        begin_anew(tagger, 99, 0.02, 0)
