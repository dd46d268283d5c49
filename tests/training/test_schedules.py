"""Against the two originals: transformers, and the formula of google-research/bert `optimization.py`."""

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from maskwright.errors import BadInput
from maskwright.training.schedules import schedule


def moments(warmup: int, total: int) -> list[int]:
    """0, 1, w-1, w, w+1, the middle, T-1, T and beyond."""
    return sorted({0, 1, max(0, warmup - 1), warmup, warmup + 1, (warmup + total) // 2, total - 1, total, total + 5})


def google(step: int, warmup: int, total: int, init_lr: float = 1.0) -> float:
    """`create_optimizer`: polynomial_decay(power=1, end=0, cycle=False), then the warm-up laid over it."""
    decayed = (init_lr - 0.0) * (1 - min(step, total) / total) ** 1.0 + 0.0
    if not warmup:
        return decayed
    is_warmup = 1.0 if step < warmup else 0.0
    return (1.0 - is_warmup) * decayed + is_warmup * init_lr * (step / warmup)


@pytest.mark.parametrize("name", ["linear", "cosine", "constant"])
@pytest.mark.parametrize(("warmup", "total"), [(0, 10), (1, 10), (10, 100), (10_000, 1_000_000), (7, 8)])
def test_equal_to_transformers(name: str, warmup: int, total: int):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = {
        "linear": lambda: transformers.get_linear_schedule_with_warmup(optimizer, warmup, total),
        "cosine": lambda: transformers.get_cosine_schedule_with_warmup(optimizer, warmup, total),
        "constant": lambda: transformers.get_constant_schedule_with_warmup(optimizer, warmup),
    }[name]().lr_lambdas[0]
    ours = schedule(name, warmup_steps=warmup, total_steps=total)
    for step in moments(warmup, total):
        if name == "cosine" and step > total:
            continue  # theirs rises again after the end of the run
        np.testing.assert_allclose(ours(step), theirs(step), rtol=1e-15, atol=1e-16, err_msg=f"step {step}")


@pytest.mark.parametrize(("warmup", "total"), [(0, 10), (1, 10), (10, 100), (10_000, 1_000_000), (10_000, 100_000)])
def test_google_equal_to_its_formula(warmup: int, total: int):
    ours = schedule("google", warmup_steps=warmup, total_steps=total)
    for step in moments(warmup, total):
        np.testing.assert_allclose(ours(step), google(step, warmup, total), rtol=1e-15, err_msg=f"step {step}")


def test_google_jumps_where_the_triangle_peaks():
    """BERT's own numbers: 1,000,000 steps, 10,000 of warm-up, 1e-4."""
    ours = schedule("google", warmup_steps=10_000, total_steps=1_000_000)
    triangle = schedule("linear", warmup_steps=10_000, total_steps=1_000_000)
    table = {0: (0.0, 0.0), 9_999: (0.9999, 0.9999), 10_000: (0.99, 1.0), 505_000: (0.495, 0.5), 1_000_000: (0.0, 0.0)}
    for step, (expected, of_triangle) in table.items():
        assert ours(step) == pytest.approx(expected, abs=1e-15)
        assert triangle(step) == pytest.approx(of_triangle, abs=1e-15)


@given(
    st.sampled_from(["linear", "google", "cosine", "constant"]),
    st.integers(0, 300),
    st.integers(1, 300),
    st.integers(0, 900),
)
def test_always_a_factor(name: str, warmup: int, more: int, step: int):
    rate = schedule(name, warmup_steps=warmup, total_steps=warmup + more)
    assert 0.0 <= rate(step) <= 1.0
    if step >= warmup:
        assert rate(step + 1) <= rate(step)


@pytest.mark.parametrize(("warmup", "total"), [(11, 10), (-1, 10)])
def test_impossible_warmup_is_refused_with_its_limit(warmup: int, total: int):
    with pytest.raises(BadInput, match=rf"warm-up of {warmup} steps: .* 10 steps"):
        schedule("linear", warmup_steps=warmup, total_steps=total)


def test_unknown_name_is_refused():
    with pytest.raises(BadInput, match="'triangle': must be one of linear, google, cosine, constant"):
        schedule("triangle", warmup_steps=1, total_steps=2)  # pyright: ignore[reportArgumentType]
