"""One row of parameters: views that stay true, two precisions, the gradient's norm."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from maskwright.errors import MaskwrightError
from maskwright.layers.positions import SinusoidalPositions
from maskwright.models.bert import BertConfig, bert
from maskwright.training import flat as flat_module
from maskwright.training.flat import FlatParameters, long_norm
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from maskwright.training.ways import decay_lists
from tests.models.networks import network, small
from tests.training.works import clipped


def flat_of(module: nn.Module, dtype: torch.dtype = torch.float32) -> FlatParameters:
    return FlatParameters(module, decay_lists(module), dtype)


def drawn(size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_every_parameter_is_a_view_of_the_working_copy_and_keeps_its_value(dtype: torch.dtype) -> None:
    module = network(small())
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    flat = flat_of(module, dtype)
    assert flat.master.numel() == flat.gradient.numel() == sum(p.numel() for p in before.values())
    assert flat.master.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    for name, parameter in module.named_parameters():
        assert parameter.dtype == dtype
        assert parameter.untyped_storage().data_ptr() == flat.working.untyped_storage().data_ptr()
        assert flat.master_of[name].equal(before[name].to(flat.master.dtype))
        assert parameter.data.equal(before[name].to(dtype))


def test_the_groups_lie_in_order_and_must_be_complete() -> None:
    module = network(small())
    decayed, exempt = decay_lists(module)
    flat = FlatParameters(module, [decayed, exempt], torch.float32)
    joined = torch.cat([flat.master_of[name].reshape(-1) for name in [*decayed, *exempt]])
    assert joined.equal(flat.master)
    assert flat.ranges == [
        slice(0, sum(flat.master_of[n].numel() for n in decayed)),
        slice(flat.ranges[0].stop, len(joined)),
    ]
    for wrong in ([decayed], [decayed, exempt, exempt[:1]], [decayed, [*exempt, "nobody"]]):
        with pytest.raises(ValueError, match="every trainable parameter once"):
            FlatParameters(network(small()), wrong, torch.float32)


def test_the_working_copy_is_the_master_rounded_after_each_publishing() -> None:
    module = network(small())
    flat = flat_of(module, torch.bfloat16)
    assert flat.working.equal(flat.master.bfloat16())
    flat.master.copy_(drawn(len(flat.master)))
    assert not flat.working.equal(flat.master.bfloat16())
    flat.publish()
    assert flat.working.equal(flat.master.bfloat16())
    name, parameter = next(iter(module.named_parameters()))
    assert parameter.data.equal(flat.master_of[name].bfloat16())


@pytest.mark.parametrize("error", [None, RuntimeError])
def test_full_precision_lends_the_master_and_takes_it_back(error: type[Exception] | None) -> None:
    module = network(small())
    flat = flat_of(module, torch.bfloat16)
    flat.master.copy_(drawn(len(flat.master)))
    flat.publish()
    try:
        with flat.full_precision():
            assert all(p.dtype == torch.float32 for p in module.parameters())
            assert all(p.data.equal(flat.master_of[name]) for name, p in module.named_parameters())
            if error:
                raise error
    except RuntimeError:
        pass
    for name, parameter in module.named_parameters():
        assert parameter.dtype == torch.bfloat16
        assert parameter.untyped_storage().data_ptr() == flat.working.untyped_storage().data_ptr()
        assert parameter.data.equal(flat.master_of[name].bfloat16())


def test_fixed_positions_keep_their_float32_values() -> None:
    config = BertConfig(vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    module = bert(config, SinusoidalPositions(512, 16, 0.3)).initialise(0)
    exact = module.embeddings.position.get_parameter("weight").detach().clone()
    assert not exact.bfloat16().float().equal(exact), "the test would not see a rounding"
    flat = flat_of(module, torch.bfloat16)
    name = "embeddings.position.weight"
    assert name not in flat.master_of
    for _ in range(2):  # to bf16 and back, twice
        assert module.get_parameter(name).dtype == torch.bfloat16
        with flat.full_precision():
            assert module.get_parameter(name).data.equal(exact)
    assert flat.tensors()[name].equal(exact)
    assert flat.tensors().keys() == dict(module.named_parameters()).keys()


def test_gradients_are_collected_into_place_and_onto_each_other() -> None:
    module = network(small())
    flat = flat_of(module, torch.bfloat16)
    names = [name for name, _ in module.named_parameters()]
    parts = [{name: drawn(p.numel(), place).view(p.shape) for name, p in module.named_parameters()} for place in (1, 2)]
    flat.gradient.fill_(9.0)  # of the step before
    for place, part in enumerate(parts):
        for name, parameter in module.named_parameters():
            if name != names[place]:  # one parameter a time has no gradient
                parameter.grad = part[name].bfloat16()
        flat.collect(first=place == 0)
        assert all(p.grad is None for p in module.parameters())
    for name in names:
        summed = sum(part[name].bfloat16().float() for place, part in enumerate(parts) if name != names[place])
        assert torch.equal(flat.gradient_of[name], summed)


@given(st.floats(1e-3, 1e3), st.integers(0, 5))
def test_clipping_is_torch_s_up_to_its_millionth(limit: float, seed: int) -> None:
    module = network(small())
    flat = flat_of(module)
    flat.gradient.copy_(drawn(len(flat.gradient), seed))
    theirs = [nn.Parameter(torch.zeros_like(view)) for view in flat.gradient_of.values()]
    for parameter, view in zip(theirs, flat.gradient_of.values(), strict=True):
        parameter.grad = view.clone()
    norm = nn.utils.clip_grad_norm_(theirs, limit)
    ours = clipped(flat, limit)
    assert ours == pytest.approx(float(norm), rel=1e-6)
    for parameter, view in zip(theirs, flat.gradient_of.values(), strict=True):
        torch.testing.assert_close(view, parameter.grad, rtol=3e-6, atol=0)
    assert float(long_norm(flat.gradient)) <= limit * (1 + 1e-6) or ours <= limit


def test_no_limit_and_no_number_leave_the_gradient_as_it_is() -> None:
    flat = flat_of(network(small()))
    for value, limit in ((3.0, None), (float("inf"), 1.0), (float("nan"), 1.0)):
        flat.gradient.copy_(drawn(len(flat.gradient)))
        flat.gradient[7] = value
        before = flat.gradient.clone()
        norm = clipped(flat, limit)
        assert torch.equal(flat.gradient.nan_to_num(1.5), before.nan_to_num(1.5))
        assert torch.tensor(norm).isfinite() == torch.tensor(value).isfinite()


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 5000])
def test_the_norm_of_any_length(size: int) -> None:
    row = drawn(size)
    assert float(long_norm(row)) == pytest.approx(float(row.double().norm()), rel=1e-6)


def test_the_norm_of_a_long_row_is_right_where_one_float32_sum_is_not() -> None:
    row = torch.full((2**25,), 1e-3)
    exact = 1e-3 * 2**12.5
    assert abs(float(torch.linalg.vector_norm(row)) / exact - 1) > 1e-4, "then the plain way would do"
    assert float(long_norm(row)) == pytest.approx(exact, rel=1e-6)


def test_what_is_loaded_is_what_was_given() -> None:
    ours, theirs = flat_of(network(small(), seed=1), torch.bfloat16), flat_of(network(small(), seed=2), torch.bfloat16)
    assert not ours.master.equal(theirs.master)
    theirs.load({name: tensor.clone() for name, tensor in ours.tensors().items()})
    assert ours.master.equal(theirs.master)
    assert theirs.working.equal(theirs.master.bfloat16())


def test_fixed_parameters_that_are_loaded_are_read_too() -> None:
    """In training they are read rounded, from a copy."""
    module, other = network(small(), seed=1), network(small(), seed=2)
    for one in (module, other):
        one.encoder.requires_grad_(False)
    flat = flat_of(module, torch.bfloat16)
    flat.load({name: tensor.detach() for name, tensor in other.named_parameters()})
    fixed = dict(other.encoder.named_parameters())
    assert all(part.equal(fixed[name].detach().bfloat16()) for name, part in module.encoder.named_parameters())


@pytest.mark.parametrize("fault", ["missing", "unknown", "another shape"])
def test_a_checkpoint_of_another_network_is_refused_and_changes_nothing(fault: str) -> None:
    flat = flat_of(network(small()))
    given = {name: torch.zeros_like(tensor) for name, tensor in flat.tensors().items()}
    name = next(iter(given))
    if fault == "missing":
        del given[name]
    elif fault == "unknown":
        name = "encoder.surplus"
        given[name] = torch.zeros(3)
    else:
        given[name] = torch.zeros(1)  # would be broadcast
    before = flat.master.clone()
    with pytest.raises(MaskwrightError, match=name):
        flat.load(given)
    assert flat.master.equal(before)


def trained(
    held: int, dtype: torch.dtype, micro_batches: int, limit: float | None, monkeypatch: pytest.MonkeyPatch
) -> tuple[Optimizer, list[float], torch.Tensor]:
    """Three steps of AdamW on drawn gradients; the optimizer, the norms, and the last gradient before it moved."""
    monkeypatch.setattr(flat_module, "HELD", held)
    module = network(small())
    optimizer, norms, last = Optimizer(module, OptimizerConfig(name="adamw", rate=1e-2), dtype), list[float](), None
    names = [name for name, _ in module.named_parameters()]
    for step in range(3):
        for place in range(micro_batches):
            for number, (name, parameter) in enumerate(module.named_parameters()):
                if name != names[3 * step + place]:  # one parameter has no gradient
                    parameter.grad = drawn(parameter.numel(), 100 * step + number).view(parameter.shape).to(dtype)
            optimizer.flat.collect(first=place == 0)
        norms.append(clipped(optimizer.flat, limit))
        if step == 2:
            held_now = dict(optimizer.flat._held)  # pyright: ignore[reportPrivateUsage]
            assert bool(held_now) == (held == 1 and micro_batches == 1)
            whole = slice(0, len(optimizer.flat.working))
            last = torch.cat([gradient.clone() for _, gradient in optimizer.flat.stretches(whole)])
        optimizer.step(0.5)
    assert last is not None
    return optimizer, norms, last


@pytest.mark.parametrize("limit", [None, 1.0, 1e9])
@pytest.mark.parametrize("micro_batches", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("stretch", [64, 1000, 1 << 20])
def test_gradients_that_stay_where_they_are_move_the_same(
    stretch: int, dtype: torch.dtype, micro_batches: int, limit: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flat_module, "STRETCH", stretch)
    (ours, norms, gradient), (row, wanted, of_row) = (
        trained(held, dtype, micro_batches, limit, monkeypatch) for held in (1, 1 << 60)
    )
    assert norms == pytest.approx(wanted, rel=1e-6)
    torch.testing.assert_close(gradient, of_row, rtol=1e-6 if limit == 1.0 else 0, atol=0)
    for name, tensor in {**row.tensors(), **row.flat.tensors()}.items():
        found = {**ours.tensors(), **ours.flat.tensors()}[name]
        torch.testing.assert_close(found, tensor, rtol=1e-6, atol=1e-8)  # the ends of stretches are rounded otherwise
    assert ours.flat.working.equal(ours.flat.master.to(dtype))


def test_whoever_asks_for_the_gradient_sees_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flat_module, "HELD", 1)
    module = network(small())
    flat = flat_of(module, torch.bfloat16)
    for name, parameter in module.named_parameters():
        parameter.grad = drawn(parameter.numel(), len(name)).view(parameter.shape).bfloat16()
    wanted = {name: p.grad.float() for name, p in module.named_parameters() if p.grad is not None}
    flat.collect(first=True)
    norm = clipped(flat, 0.5)
    for name, grad in wanted.items():
        torch.testing.assert_close(flat.gradient_of[name], grad * (0.5 / norm), rtol=1e-6, atol=0)
    assert float(long_norm(flat.gradient)) == pytest.approx(0.5, rel=1e-6)
