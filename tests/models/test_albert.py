"""ALBERT beside transformers' ALBERT, and what sharing must be: one set of weights, gradients summed."""

import copy

import pytest
import torch
import transformers

from maskwright.draws import generator
from maskwright.models.albert import AlbertConfig, config_json
from maskwright.training.flat import FlatParameters
from maskwright.training.ways import decay_lists
from tests.models.networks import network, small
from tests.parity import assert_equal_to_transformers, draw_batch, draw_shape

CLASSES = {
    ("mlm", "sop"): transformers.AlbertForPreTraining,
    ("mlm",): transformers.AlbertForMaskedLM,
    (): transformers.AlbertModel,
}
MODES = ("all", "attention", "feed_forward", "none")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("seed", range(24))
def test_equal_to_transformers(seed: int, dtype: torch.dtype) -> None:
    """In modes that it cannot say, transformers has copies; our gradient is the sum of theirs."""
    rng = generator(seed, "shape")
    shape = {
        **draw_shape(rng),
        "embedding_size": int(rng.integers(4, 20)),
        "num_hidden_layers": int(rng.integers(1, 6)),
    }
    shape |= {"shared": MODES[seed % 4], "inner_group_num": int(rng.integers(1, 3))}
    if shape["shared"] == "all":
        shape["num_hidden_groups"] = int(rng.integers(1, shape["num_hidden_layers"] + 1))
    config = AlbertConfig(**shape)
    heads = list(CLASSES)[seed // 4 % 3]
    theirs = CLASSES[heads](transformers.AlbertConfig(**config_json(config)))
    assert_equal_to_transformers(config, heads, theirs, seed, dtype)


@pytest.mark.parametrize("mode", MODES[:3])
def test_a_shared_gradient_is_the_sum_over_a_copy_that_shares_nothing(mode: str) -> None:
    config = small("albert", num_hidden_layers=4, shared=mode)
    shared = network(config, ("mlm", "sop")).double()
    apart = network(small("albert", num_hidden_layers=4, shared="none"), ("mlm", "sop")).double()
    weights = {name: p.detach() for name, p in shared.named_parameters(remove_duplicate=False)}
    apart.load_state_dict(weights)
    batch = draw_batch(generator(0, "shared"), [9, 4, 17], config.vocab_size)
    for model in (shared, apart):
        sum(tally.loss_sum for tally in model.tallies(batch).values()).backward()
    sums: dict[int, torch.Tensor] = {}
    gradients = {name: p.grad for name, p in apart.named_parameters()}
    for name, parameter in shared.named_parameters(remove_duplicate=False):
        sums[id(parameter)] = sums.get(id(parameter), torch.zeros(())) + gradients[name]
    for name, parameter in shared.named_parameters():
        assert (parameter.grad - sums[id(parameter)]).abs().max() <= 1e-10, name


@pytest.mark.parametrize("mode", MODES)
def test_what_is_shared_is_there_once(mode: str) -> None:
    """In the table of parameters, and so in the optimizer and in a checkpoint."""
    config = small("albert", num_hidden_layers=3, shared=mode)
    model = network(config, ("mlm", "sop"))
    attention, feed_forward = 4 * 16 * 16 + 6 * 16, 2 * 16 * 24 + 24 + 3 * 16
    layers = sum(p.numel() for name, p in model.named_parameters() if ".layers." in name)
    times = {"all": (1, 1), "attention": (1, 3), "feed_forward": (3, 1), "none": (3, 3)}[mode]
    assert layers == times[0] * attention + times[1] * feed_forward
    flat = FlatParameters(model, decay_lists(model), torch.float32)
    assert flat.master.numel() == sum(p.numel() for p in model.parameters())
    first, last = model.encoder.layers[0], model.encoder.layers[2]
    same = first.query_key_value.weight.data_ptr() == last.query_key_value.weight.data_ptr()
    assert same == (times[0] == 1)
    again = copy.deepcopy(model)
    assert [n for n, _ in again.named_parameters()] == [n for n, _ in model.named_parameters()]


def test_groups_go_with_sharing_of_everything() -> None:
    for changes, words in (
        ({"shared": "attention", "num_hidden_groups": 2}, "num_hidden_groups 2 goes with shared = all"),
        ({"num_hidden_groups": 3}, "num_hidden_groups 3 is more than num_hidden_layers 2"),
        ({"shared": "half"}, "shared"),
    ):
        with pytest.raises(ValueError, match=words):
            small("albert", **changes)
