"""What is read of an encoder, beside transformers' hidden states."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import transformers

from maskwright.batch import Batch
from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.features import Features, FeaturesConfig
from maskwright.layers.network import Network
from maskwright.models import module_of, network_of
from tests.models.networks import draw_weights, small
from tests.parity import assert_close, draw_batch, flat, lend_weights, padded

LAYERS = 5


def drawn(**changes: Any) -> Network:
    network = network_of(small("bert", num_hidden_layers=LAYERS, **changes))
    draw_weights(network, 0)
    return network.double()


def batch() -> Batch:
    return draw_batch(generator(0, "features"), [6, 1, 9], 50)


def their_states(network: Network, asked: Batch) -> list[torch.Tensor]:
    config = module_of("bert").config_json(network.config)
    theirs = transformers.BertModel(transformers.BertConfig(**config)).double().eval()
    lend_weights(network.weight_names(), network, theirs)
    inputs = {key: value for key, value in padded(asked).items() if key != "labels"}
    with torch.no_grad():
        return [flat(state, asked) for state in theirs(**inputs, output_hidden_states=True).hidden_states]


def test_layers_are_those_of_transformers() -> None:
    network, asked = drawn(), batch()
    states = their_states(network, asked)
    wanted = {
        "last": states[-1],
        "sum_last_four": sum(states[-4:]),
        "concat_last_four": torch.cat(states[-4:], 1),
        "mix": sum(states) / len(states),  # as it begins
    }
    rows = torch.tensor([0, 4, 6, 15])
    for name, whole in wanted.items():
        features = Features(FeaturesConfig(layers=name), 16, LAYERS).double()
        assert features.width == whole.shape[1]
        assert_close(features(network, asked), whole, name)
        assert_close(features(network, asked, None, rows), whole[rows], name)


def test_mixed_layers_have_learned_shares() -> None:
    network, asked = drawn(), batch()
    features = Features(FeaturesConfig(layers="mix"), 16, LAYERS).double()
    assert features.mix is not None
    shares = torch.tensor([0.4, 0.1, 0.1, 0.1, 0.1, 0.2], dtype=torch.float64)
    with torch.no_grad():
        features.mix.weights.copy_(shares.log())
        features.mix.gamma.fill_(3)
    states = their_states(network, asked)
    assert_close(features(network, asked), 3 * sum(w * s for w, s in zip(shares, states)), "mix")


@pytest.mark.parametrize("layers", ["last", "mix", "sum_last_four"])
def test_a_frozen_encoder_is_left_alone(layers: Any) -> None:
    network, asked = drawn(hidden_dropout_prob=0.5), batch()
    features = Features(FeaturesConfig(layers=layers, frozen=True, top="bilstm"), 16, LAYERS).double()
    features.start(0)
    seen = features(network, asked, DropoutStream(0, "dropout"))
    assert torch.equal(seen, features(network, asked, None))  # nothing is dropped in it
    seen.sum().backward()
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(parameter.grad is not None for parameter in features.parameters())
    free = Features(FeaturesConfig(layers=layers), 16, LAYERS).double()
    assert not torch.equal(free(network, asked, DropoutStream(0, "dropout")), free(network, asked))
    free(network, asked).sum().backward()
    assert network.layers[0].output.weight.grad is not None


@pytest.mark.parametrize("config", [{"layers": "mix"}, {"layers": "mix", "top": "bilstm"}, {"layers": "sum_last_four"}])
def test_what_a_batch_brings_along_is_not_computed_again(config: Any) -> None:
    network, asked = drawn(), batch()
    features = Features(FeaturesConfig(frozen=True, **config), 16, LAYERS).double()
    features.start(0)
    rows = torch.tensor([0, 4, 6, 15])
    known = replace(asked, features=features.read(network, asked, None, rows))
    wanted = features(network, asked, None, rows)
    assert torch.equal(features(network, known, None, rows), wanted)
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    assert torch.equal(features(network, known, None, rows), wanted)
    with pytest.raises(BadInput, match="BERT does not read features"):
        network(known)


def test_four_layers_want_four() -> None:
    with pytest.raises(BadInput, match="concat_last_four reads four layers, the model has 3: last, or mix"):
        Features(FeaturesConfig(layers="concat_last_four"), 16, 3)
