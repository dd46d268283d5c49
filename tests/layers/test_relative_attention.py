"""The padded way beside the readable one, in both streams: memory, backward text, clamps, segments, dropout."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from maskwright.layers.dropout import DropoutStream
from maskwright.layers.layout import layout
from maskwright.layers.relative_attention import Biases, RelativeAttention, plain
from maskwright.layers.relative_positions import distance_table, distance_vectors, picked, put_back, shifted
from maskwright.layers.row_attention import some_rows
from maskwright.layers.sight import content_sight, prediction_sight

HEADS, HIDDEN = 3, 12


def attention(seed: int) -> RelativeAttention:
    torch.manual_seed(seed)
    made = RelativeAttention(HIDDEN, HEADS, Biases(HEADS, HIDDEN // HEADS), rate=0.0).double()
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.5)
    return made


def rows(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


@pytest.mark.parametrize("clamp", [-1, 2])
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("segments", [False, True])
@pytest.mark.parametrize(("lengths", "memory"), [([5, 5], 0), ([5, 5], 3), ([4, 7, 1], 0), ([6], 9)], ids=str)
def test_both_ways_are_one(lengths: list[int], memory: int, segments: bool, backward: bool, clamp: int) -> None:
    """Outputs and every gradient, to 1e-12."""
    tokens, n, longest = sum(lengths), len(lengths), max(lengths)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    rng = np.random.default_rng(tokens + memory)
    ranks = torch.from_numpy(np.concatenate([rng.permutation(length) - 1 for length in lengths]))
    types = torch.from_numpy(rng.integers(0, 3, tokens)) if segments else None
    where = layout(torch.from_numpy(ends.astype(np.int32)), tokens, longest, torch.float64)
    asked = some_rows(torch.from_numpy(np.flatnonzero(rng.random(tokens) < 0.6)), where)
    ways = torch.arange(n) % 2 if backward else None
    chosen = None if ways is None else torch.nn.functional.one_hot(ways, 2).double()
    answers: list[list[Tensor]] = []
    for readable in (False, True):
        part = attention(1)
        content, queries = (
            rows(tokens, HIDDEN).requires_grad_(),
            rows(len(asked.index), HIDDEN, seed=1).requires_grad_(),
        )
        before = rows(n, memory, HIDDEN, seed=2).requires_grad_()
        if readable:
            found = _readable(part, content, queries, before, ranks, types, asked.index, ends, ways, clamp)
        else:
            table = distance_table(longest, memory, HIDDEN, clamp, both_ways=backward, device=torch.device("cpu"))
            keys = part.keys(content, where, before if memory else None, table, chosen)
            seen = content_sight(ranks, types, where, memory, torch.float64)
            seen_by_predictions = prediction_sight(ranks, types, where, asked, memory, torch.float64, "nothing")
            found = (
                part(content, where, keys, seen, None),
                part(queries, asked.where, keys, seen_by_predictions, None),
            )
        (found[0].cos().sum() + found[1].sin().sum()).backward()
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in part.parameters()]
        inputs = [content.grad, queries.grad, before.grad if memory else torch.zeros(0)]
        answers.append([*found, *gradients, *[g for g in inputs if g is not None]])
    for one, other in zip(*answers, strict=True):
        assert one.shape == other.shape
        assert one.numel() == 0 or (one - other).abs().max() < 1e-12


def _readable(
    part: RelativeAttention,
    content: Tensor,
    queries: Tensor,
    before: Tensor,
    ranks: Tensor,
    types: Tensor | None,
    index: Tensor,
    ends: np.ndarray,
    ways: Tensor | None,
    clamp: int,
) -> tuple[Tensor, Tensor]:
    contents, predictions = list[Tensor](), list[Tensor]()
    for i in range(len(ends) - 1):
        here = slice(int(ends[i]), int(ends[i + 1]))
        mine = (index >= here.start) & (index < here.stop)
        own, places = ranks[here], torch.arange(here.stop - here.start)
        asked = index[mine] - here.start
        every = torch.ones(len(places), before.shape[1], dtype=torch.bool)
        options = {"backward": ways is not None and bool(ways[i]), "clamp": clamp}
        arguments = content[here], before[i]
        kinds = None if types is None else types[here]
        seen = torch.cat([every, own[None] <= own[:, None]], 1)
        contents.append(plain(part, content[here], *arguments, places, seen, kinds, **options)[0])
        seen = torch.cat([every, own[None] < own[:, None]], 1)[asked]
        predictions.append(plain(part, queries[mine], *arguments, asked, seen, kinds, **options)[0])
    return torch.cat(contents), torch.cat(predictions)


@pytest.mark.parametrize(("longest", "memory"), [(1, 0), (1, 4), (5, 0), (4, 3)])
def test_a_shift_puts_each_distance_where_it_belongs(longest: int, memory: int) -> None:
    distances = torch.arange(memory + longest, -longest, -1).double()
    scores = distances.expand(2, 3, longest, -1).contiguous()
    keys = memory + longest
    wanted = memory + torch.arange(longest)[:, None] - torch.arange(keys)
    assert torch.equal(shifted(scores, keys), wanted.double().expand(2, 3, -1, -1))
    places = torch.stack([torch.arange(longest), torch.arange(longest).flip(0)])
    found = picked(scores, places, keys)
    assert torch.equal(found[0, 0], wanted.double()) and torch.equal(found[1, 2], wanted.flip(0).double())
    spread = put_back(found, places, scores.shape[-1])
    assert torch.equal(picked(spread, places, keys), found) and torch.equal(
        spread != 0, (spread == scores) & (spread != 0)
    )
    assert spread.abs().sum() == found.abs().sum()


def test_vectors_of_distances() -> None:
    """Sines, then cosines (appendix B of Transformer-XL has their products; zihangdai/xlnet, positional_embedding)."""
    vectors = distance_vectors(torch.tensor([-2, 0, 3]), 4)
    for distance, vector in zip((-2, 0, 3), vectors.tolist(), strict=True):
        assert vector == pytest.approx(
            [np.sin(distance), np.sin(distance / 100), np.cos(distance), np.cos(distance / 100)]
        )


def test_dropped_weights_are_scaled_and_drawn_from_the_stream() -> None:
    part = attention(2)
    part.dropout = 0.4
    where = layout(torch.tensor([0, 6], dtype=torch.int32), 6, 6, torch.float64)
    table = distance_table(6, 0, HIDDEN, -1, both_ways=False, device=torch.device("cpu"))
    content = rows(6, HIDDEN)
    sight = content_sight(None, None, where, 0, torch.float64)
    keys = part.keys(content, where, None, table)
    outs = torch.stack([part(content, where, keys, sight, DropoutStream(seed, "x")) for seed in range(3000)])
    whole = part(content, where, keys, sight, None)
    assert torch.equal(outs[0], part(content, where, keys, sight, DropoutStream(0, "x")))
    assert ((outs.mean(0) - whole).abs() < 5 * outs.std(0) / 3000**0.5).all()
