"""First values: as published, and a function of seed and name."""

import math

import pytest
import torch
from scipy import stats  # type: ignore[import-untyped]

from maskwright.layers.initial import start
from maskwright.layers.positions import SinusoidalPositions, sinusoids
from maskwright.models.bert import bert
from tests.models.networks import small


def test_matrices_follow_the_normal_cut_at_two_deviations() -> None:
    model = bert(small(vocab_size=3000, hidden_size=64)).initialise(5)
    values = model.token_table.detach().flatten().double().numpy()
    assert abs(values).max() <= 0.04
    assert stats.kstest(values / 0.02, stats.truncnorm(-2, 2).cdf).pvalue > 1e-6


def test_the_whole_normal_is_drawn_where_it_is_asked_for() -> None:
    model = bert(small(vocab_size=3000, hidden_size=64))
    start(model, 0.02, 5, cut=False)
    values = model.token_table.detach().flatten().double().numpy()
    assert stats.kstest(values / 0.02, stats.norm.cdf).pvalue > 1e-6


def test_biases_are_zero_and_gains_one() -> None:
    model = bert(small()).initialise(5)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            assert set(parameter.tolist()) == ({1.0} if name.endswith("norm.weight") else {0.0}), name
        else:
            assert float(parameter.std()) == pytest.approx(0.88 * 0.02, rel=0.15), name


def test_values_depend_on_seed_and_name_alone() -> None:
    shallow, deep = bert(small(num_hidden_layers=1)).initialise(3), bert(small(num_hidden_layers=2)).initialise(3)
    other = bert(small(num_hidden_layers=1)).initialise(4)
    deep_values = dict(deep.named_parameters())
    for name, parameter in shallow.named_parameters():
        assert torch.equal(parameter, deep_values[name])
    assert not torch.equal(shallow.token_table, other.token_table)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    start(shallow, 0.02, 3)
    assert torch.equal(before, torch.get_rng_state())


def test_sinusoids_are_the_papers_and_stay_fixed() -> None:
    table = sinusoids(50, 6)
    for position in (0, 1, 49):
        for i in range(3):
            angle = position / 10000 ** (2 * i / 6)
            assert table[position, 2 * i] == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[position, 2 * i + 1] == pytest.approx(math.cos(angle), abs=1e-6)
    config = small()
    fixed = SinusoidalPositions(config.max_position_embeddings, config.hidden_size, 0.1)
    model = bert(config, fixed).initialise(0)
    assert torch.equal(model.embeddings.position.weight, 0.1 * sinusoids(64, 16))
    assert not any(p.requires_grad for p in fixed.parameters())
    assert sinusoids(4, 5).shape == (4, 5)
