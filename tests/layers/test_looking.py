"""The way of layers that are only looked at, beside the way that training takes."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from maskwright.batch import Batch, flat_batch
from maskwright.draws import generator
from maskwright.layers import looking
from maskwright.layers.attention import attention
from maskwright.layers.layout import layout
from maskwright.layers.looking import looked_attention, quicken
from maskwright.layers.onednn import can_fuse
from maskwright.models import network_of
from maskwright.models.roberta import RobertaConfig
from tests.models.networks import draw_weights, small
from tests.parity import distance, draw_batch

needs_onednn = pytest.mark.skipif(not can_fuse(torch.float32), reason="this torch has no oneDNN")
LENGTHS = [7, 1, 30, 7, 12]


def both(model_type: str, lengths: list[int], dtype: torch.dtype = torch.float32, **changes: Any) -> tuple[Any, Batch]:
    config = small(model_type, **changes)
    model = network_of(config)
    draw_weights(model, 3)
    languages = 3 if "language_ids" in model.reads else 0
    segments = getattr(config, "type_vocab_size", 0)
    batch = draw_batch(generator(1, "looking"), lengths, config.vocab_size, segments, languages=languages)
    return model.to(dtype), batch


@needs_onednn
@pytest.mark.parametrize("lengths", [LENGTHS, [9, 9, 9], [5], [0, 4, 0]], ids=str)
@pytest.mark.parametrize(
    ("model_type", "changes"),
    [
        ("bert", {}),
        ("bert", {"hidden_act": "gelu_new"}),
        ("bert", {"hidden_act": "relu"}),
        ("roberta", {}),
        ("albert", {"num_hidden_layers": 3}),
        ("xlm", {}),
    ],
    ids=str,
)
def test_a_network_gives_the_same(model_type: str, changes: dict[str, Any], lengths: list[int]) -> None:
    model, batch = both(model_type, lengths, **changes)
    with torch.no_grad():
        wanted = model.hidden_states(batch)
        assert quicken(model) == len(model.layers)
        got = model.hidden_states(batch)
        rows = torch.arange(0, batch.num_tokens, 2)
        assert distance(model(batch, None, rows), wanted[-1][rows]) < 1e-5
    for ours, theirs in zip(got, wanted, strict=True):
        assert distance(ours, theirs) < 1e-5


@needs_onednn
@pytest.mark.parametrize("scores", [1, 2000, 4000])
def test_some_sequences_at_once_are_all_of_them(monkeypatch: pytest.MonkeyPatch, scores: int) -> None:
    """One, two or four of five, of 30 tokens and two heads."""
    model, batch = both("bert", LENGTHS, num_attention_heads=2)
    assert quicken(model)
    with torch.no_grad():
        wanted = model(batch)
        monkeypatch.setattr(looking, "SCORES", scores)
        got = model(batch)
    assert distance(got, wanted) < 1e-6


@needs_onednn
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_weights_in_blocks_are_those_of_the_map_whenever_they_change(dtype: torch.dtype) -> None:
    if not can_fuse(dtype):
        pytest.skip("this processor has no instructions for it")
    draws = torch.Generator().manual_seed(0)
    linear = nn.Linear(40, 24).to(dtype).requires_grad_(False)
    x = torch.randn(9, 40, generator=draws).to(dtype)
    for change in (
        lambda: None,
        lambda: linear.weight.mul_(-2),  # in place
        lambda: setattr(linear, "weight", nn.Parameter(linear.weight + 1, requires_grad=False)),  # another tensor
        lambda: setattr(linear.weight, "data", linear.weight.data.flip(0).clone()),  # other memory
    ):
        change()
        with torch.inference_mode():
            wanted = nn.functional.linear(x.double(), linear.weight.double(), linear.bias.double())
            assert distance(looking.linear(x, linear).double(), wanted) < (1e-6 if dtype == torch.float32 else 1e-2)
    assert looking.laid_out(linear) is looking.laid_out(linear)
    with torch.inference_mode():  # who changes these is not counted
        linear.weight = nn.Parameter(torch.ones(24, 40, dtype=dtype), requires_grad=False)
        assert looking.laid_out(linear) is linear.weight


@needs_onednn
def test_it_is_taken_where_nothing_else_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = both("bert", LENGTHS)
    quicken(model)
    asked: list[int] = []
    monkeypatch.setattr(looking, "looked_attention", lambda *a: asked.append(1) or looked_attention(*a))
    with torch.no_grad():
        model(batch)
    assert len(asked) == 2
    model(batch).sum().backward()  # a gradient is wanted
    assert model.layers[0].output.weight.grad is not None and len(asked) == 2
    seen: list[int] = []
    hook = model.layers[1].output.register_forward_pre_hook(lambda module, given: seen.append(len(given[0])))
    with torch.no_grad():
        model(batch)  # somebody watches the second layer
        model.double()(batch)  # no numbers of oneDNN's
    hook.remove()
    assert seen == [57, 57] and len(asked) == 3


@needs_onednn
@given(
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any),
    heads=st.integers(1, 3),
    size=st.sampled_from([0.1, 1.0, 5.0, 40.0]),
    seed=st.integers(0, 1000),
)
@settings(deadline=None)
def test_attention_is_the_plain_one_however_large_scores_are(
    lengths: list[int], heads: int, size: float, seed: int
) -> None:
    """At size 40 scores are in the thousands, and 2 to that is no number."""
    draws = torch.Generator().manual_seed(seed)
    qkv = size * torch.randn(sum(lengths), 3 * heads * 4, generator=draws)
    where = layout(torch.tensor([0, *lengths]).cumsum(0).int(), len(qkv), max(lengths), torch.float32)
    wanted = attention(qkv.double(), where, heads, way="plain")
    got = looked_attention(qkv, where, heads)
    # a rounding in the last place of a score of thousands moves its weight by a thousandth
    assert distance(got.double(), wanted) < 2e-6 * max(1.0, size * size)


@pytest.mark.skipif(not can_fuse(torch.bfloat16), reason="this processor has no instructions for bfloat16")
def test_bfloat16_is_as_near_as_the_way_of_training() -> None:
    exact, batch = both("bert", LENGTHS, hidden_size=64, intermediate_size=256)
    rounded, _ = both("bert", LENGTHS, torch.bfloat16, hidden_size=64, intermediate_size=256)

    def error(model: nn.Module) -> Tensor:
        return (model(batch).float() - wanted).square().mean().sqrt()

    with torch.no_grad():
        wanted = exact(batch)
        before = error(rounded)
        quicken(rounded)
        assert 0 < error(rounded) < 1.5 * before


@pytest.mark.skipif(not can_fuse(torch.bfloat16), reason="this processor has no instructions for bfloat16")
@pytest.mark.parametrize("lengths", [[8, 8], [5, 5], [3, 9, 0, 1], [16, 2]], ids=str)
def test_rectangles_of_a_handy_width_change_nothing(lengths: list[int]) -> None:
    qkv = torch.randn(sum(lengths), 3 * 2 * 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    where = layout(torch.tensor([0, *lengths]).cumsum(0).int(), len(qkv), max(lengths), qkv.dtype)
    wanted = attention(qkv.double(), where, 2, way="plain")
    assert distance(looked_attention(qkv, where, 2).double(), wanted) < 2e-2


@needs_onednn
def test_no_token_gives_no_vector() -> None:
    model = network_of(RobertaConfig(**small("roberta").model_dump()))
    quicken(model)
    nothing = flat_batch(torch.zeros(0).long().numpy(), torch.tensor([0, 0]).numpy(), torch.zeros(0).long().numpy())
    with torch.no_grad():
        assert model(nothing).shape == (0, 16)
