"""Equalised maps are the same maps, of inputs that lie closer together."""

import torch

from maskwright.draws import generator
from maskwright.layers.equalised import MAPS, equalised, largest_inputs, maps_of
from maskwright.layers.looking import quicken
from maskwright.models import network_of
from tests.models.networks import draw_weights, small
from tests.parity import distance, draw_batch


def test_a_network_computes_what_it_did_and_shares_what_it_shared() -> None:
    for model_type, maps in (("bert", 8), ("albert", 4)):
        model = network_of(small(model_type))
        draw_weights(model, 0)
        batch = draw_batch(generator(0, "equalised"), [7, 3, 12], 50)
        with torch.no_grad():
            wanted = model(batch)
            quicken(model)  # its shorter way steps aside while maps are watched
            largest = largest_inputs(model, lambda model=model, batch=batch: model(batch))
            even = equalised(model, largest)
            assert distance(even(batch), wanted) < 1e-5
            assert distance(model(batch), wanted) < 1e-5
        assert len(maps_of(model)) == len(largest) == maps
        assert len({id(getattr(layer, name)) for layer in even.layers for name in MAPS}) == maps


def test_the_largest_inputs_are_those_that_came() -> None:
    model = network_of(small())
    draw_weights(model, 0)
    batch = draw_batch(generator(0, "equalised"), [7, 3], 50)
    with torch.no_grad():
        largest = largest_inputs(model, lambda: (model(batch), model(batch)))
        first = model.hidden_states(batch)[0]
    assert torch.equal(largest[0], first.abs().amax(0))


def test_ranges_of_channels_come_closer() -> None:
    model = network_of(small())
    draw_weights(model, 0)
    with torch.no_grad():
        model.embeddings.norm.weight[3] = 30.0  # an outlier, as trained networks have them
        batch = draw_batch(generator(0, "equalised"), [40], 50)
        largest = largest_inputs(model, lambda: model(batch))
        even = equalised(model, largest)
        seen = largest[0] * even.layers[0].query_key_value.inverse
    assert float(largest[0].max() / largest[0].median()) > 10 > 3 * float(seen.max() / seen.median()) / 3
