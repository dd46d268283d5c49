"""What is computed twice is what is computed once: loss and gradients, bit for bit, with everything dropped anew."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.recompute import Recompute, recompute
from maskwright.training.pretraining import Pretraining
from tests.models.networks import network, small
from tests.models.xlnet_peers import draw_batch as draw_permuted
from tests.parity import draw_batch

DEEP: dict[str, Any] = {"num_hidden_layers": 4, "hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.3}


def made(model_type: str, what: Recompute) -> tuple[Pretraining, int]:
    model = network(small(model_type, **DEEP), ("lm" if model_type == "gpt2" else "mlm",)).train()
    return model, recompute(model, what)


def gradients(model: Pretraining, batch: Batch) -> list[Tensor]:
    model.zero_grad()
    loss = torch.stack([one.loss_sum for one in model.tallies(batch, DropoutStream(0, "again")).values()]).sum()
    loss.backward()
    return [loss.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)]


@pytest.mark.parametrize("what", ["attention", "layers"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("model_type", ["bert", "gpt2", "albert"])
def test_loss_and_gradients_are_the_same_bit_for_bit(model_type: str, dtype: torch.dtype, what: Recompute) -> None:
    batch = draw_batch(generator(0, "again"), [9, 2, 17, 5], 50, 0 if model_type == "gpt2" else 2)
    once, none = made(model_type, "none")
    twice, layers = made(model_type, what)
    assert (none, layers) == (0, 3)
    wanted, found = (gradients(model.to(dtype), batch) for model in (once, twice))
    assert len(wanted) == len(found) > 10
    assert all(a.equal(b) for a, b in zip(wanted, found, strict=True))


def test_what_is_only_looked_at_is_computed_once() -> None:
    model, _ = made("bert", "layers")
    calls = list[int]()
    model.encoder.layers[0].get_submodule("intermediate").register_forward_hook(lambda *_: calls.append(1))
    batch = draw_batch(generator(0, "again"), [9, 2], 50, 2)
    with torch.no_grad():
        model.tallies(batch)
    assert len(calls) == 1
    gradients(model, batch)
    assert len(calls) == 3


@pytest.mark.parametrize("what", ["attention", "layers"])
def test_both_streams_of_xlnet_are_the_same_too(what: Recompute) -> None:
    config = small("xlnet", n_layer=3, dropout=0.3)
    batch = draw_permuted(generator(0, "streams"), config, 3, 9, 2)
    once, twice = (network(config, ("plm",)).train() for _ in range(2))
    assert recompute(twice, what) == 2
    assert all(a.equal(b) for a, b in zip(gradients(once, batch), gradients(twice, batch), strict=True))


@pytest.mark.parametrize("what", ["attention", "layers"])
def test_less_is_kept(what: Recompute) -> None:
    """Numbers that the graph holds between the way there and the way back."""

    def held(model: Pretraining) -> int:
        kept: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            model.tallies(draw_batch(generator(0, "again"), [40, 40], 50, 2), DropoutStream(0, "again"))
        weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
        return sum(size for place, size in kept.items() if place not in weights)

    assert held(made("bert", what)[0]) < (0.8 if what == "attention" else 0.6) * held(made("bert", "none")[0])


def test_a_stream_goes_back_to_where_it_stood() -> None:
    stream = DropoutStream(3, "place")
    stream.decide((7,), 0.5, torch.float32)
    place = stream.place()
    first = [stream.decide(shape, 0.5, torch.bfloat16)[0] for shape in ((5, 3), (130,))]
    stream.go_back(place)
    second = [stream.decide(shape, 0.5, torch.bfloat16)[0] for shape in ((5, 3), (130,))]
    assert all(a.equal(b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[1].numpy(), stream.decide((130,), 0.5, torch.bfloat16)[0].numpy())


def test_without_layers_it_is_refused() -> None:
    with pytest.raises(BadInput, match="take none"):
        recompute(nn.Linear(2, 2), "layers")
