"""XLNet beside transformers' where that is right, and by perturbation where it is not."""

import math
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from maskwright.batch import Batch, flat_batch
from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.layers.dropout import DropoutStream
from maskwright.models.xlnet import XlnetConfig
from maskwright.training.ways import decay_lists
from tests.models.xlnet_peers import draw_batch, draw_config, pair, their_inputs
from tests.parity import assert_close, assert_same_gradients, flat, padded

DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


@DTYPES
@pytest.mark.parametrize("seed", range(16))
def test_two_streams_over_segments_equal_transformers(seed: int, dtype: torch.dtype) -> None:
    """Hidden states of both streams, logits, memories and all gradients, over three segments with memory."""
    rng = generator(seed, "xlnet")
    length, targets = int(rng.integers(4, 12)), int(rng.integers(1, 4))
    memory = [None, 3, 7, 20][seed % 4]
    config = draw_config(rng, mem_len=memory, reuse_len=[None, 2, 3][seed % 3], bi_data=bool(seed // 2 % 2))
    ours, theirs = pair(config, dtype, seed)
    our_memory: Tensor | None = None
    their_memory: Any = None
    losses: dict[str, Tensor] = {"ours": torch.zeros((), dtype=dtype), "theirs": torch.zeros((), dtype=dtype)}
    for segment in range(3):
        batch = draw_batch(rng, config, 4, length, targets, segments=seed % 5 > 0)
        assert batch.predict_rows is not None and batch.predict_ids is not None
        inputs = {name: t.to(dtype) if t.is_floating_point() else t for name, t in their_inputs(batch).items()}
        out = theirs(**inputs, mems=their_memory, use_mems=memory is not None, output_hidden_states=True)
        streams = ours.encoder.hidden_streams(batch, batch.predict_rows, our_memory)
        for layer, both in enumerate(streams):
            content, predicted = out.hidden_states[2 * layer : 2 * layer + 2]
            assert_close(both.content, content.flatten(0, 1), f"content {layer} of segment {segment}")
            assert_close(both.predicted, predicted.flatten(0, 1), f"predicted {layer} of segment {segment}")
        reading = ours.encoder.read(batch, None, batch.predict_rows, our_memory, remember=True)
        logits = ours.heads["plm"].scores(reading.predicted, ours.encoder.token_table)
        assert_close(logits, out.logits.flatten(0, 1), f"logits of segment {segment}")
        losses["ours"] = losses["ours"] + torch.nn.functional.cross_entropy(logits, batch.predict_ids)
        losses["theirs"] = losses["theirs"] + torch.nn.functional.cross_entropy(
            out.logits.flatten(0, 1), batch.predict_ids
        )
        our_memory, their_memory = reading.memory, out.mems
        if memory is not None:
            assert our_memory is not None and our_memory.shape[2] <= memory
            assert_close(our_memory.transpose(1, 2), torch.stack(list(their_memory)), f"memory {segment}")
    losses["ours"].backward()
    losses["theirs"].backward()
    assert_same_gradients(ours.weight_names(), ours, theirs)


@DTYPES
@pytest.mark.parametrize("seed", range(6))
def test_a_plain_encoder_equals_transformers(seed: int, dtype: torch.dtype) -> None:
    """Without an order, of sequences of different lengths; weights of attention too."""
    rng = generator(seed, "xlnet encoder")
    config = draw_config(rng)
    ours, theirs = pair(config, dtype, seed)
    lengths = rng.integers(1, 12, 4).tolist()
    ends = np.concatenate([[0], np.cumsum(lengths)])
    types = rng.integers(0, 3, ends[-1]) if seed % 3 else None
    batch = flat_batch(rng.integers(1, config.vocab_size, ends[-1]), ends, types)
    inputs = padded(batch)
    del inputs["labels"]
    out = theirs.transformer(**inputs, output_hidden_states=True, output_attentions=True)
    states = ours.encoder.hidden_states(batch)
    for layer, state in enumerate(out.hidden_states):
        assert_close(states[layer], flat(state, batch), f"hidden state {layer}")
    assert_close(ours.encoder(batch), flat(out.last_hidden_state, batch), "output")
    weights = ours.encoder.attention_weights(batch)
    for n, length in enumerate(lengths):
        expected = torch.stack([layer[n, :, :length, :length] for layer in out.attentions])
        assert_close(weights[n], expected, f"attention of sequence {n}")
    rows = torch.from_numpy(ends[:-1])
    assert_close(ours.encoder(batch, rows=rows), ours.encoder(batch)[rows], "some rows")


def dependences(encoder: Any, batch: Batch, of: str, memory: Tensor | None = None) -> Tensor:
    """(R, T) whether each row of the last layer changes when the token of a column does."""
    assert batch.predict_rows is not None
    vocabulary = encoder.config.vocab_size

    def answer(ids: Tensor) -> Tensor:
        last = encoder.hidden_streams(replace(batch, token_ids=ids), batch.predict_rows, memory)[-1]
        found = getattr(last, of)
        assert isinstance(found, Tensor)
        return found.detach()

    before, columns = answer(batch.token_ids), []
    for place in range(batch.num_tokens):
        ids = batch.token_ids.clone()
        ids[place] = (ids[place] + 1) % vocabulary
        columns.append((answer(ids) != before).any(1))
    return torch.stack(columns, 1)


@pytest.mark.parametrize("remembered", [0, 3])
@pytest.mark.parametrize("context", [True, False])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_a_token_is_seen_exactly_where_the_order_says_so(
    seed: int, layers: int, context: bool, remembered: int
) -> None:
    """Every pair, both streams, in float64, where a change that reaches a row is never lost in rounding."""
    rng = generator(seed, "leaks")
    config = draw_config(rng, n_layer=layers, n_head=2, d_model=12, d_inner=16, vocab_size=30)
    ours, _ = pair(config, torch.float64, seed)
    batch = draw_batch(rng, config, 2, 6, 6 if not context else 4, context=context)
    assert batch.ranks is not None and batch.predict_rows is not None
    memory = None
    if remembered:
        memory = torch.from_numpy(rng.normal(size=(layers, 2, remembered, 12)))
    ranks, sequence = batch.ranks, torch.arange(12) // 6
    same = sequence[:, None] == sequence
    content = (ranks[None] <= ranks[:, None]) & same
    predicted = ((ranks[None] < ranks[:, None]) & same)[batch.predict_rows]
    assert torch.equal(dependences(ours.encoder, batch, "content", memory), content)
    assert torch.equal(dependences(ours.encoder, batch, "predicted", memory), predicted)


def test_the_originals_let_the_first_target_see_itself() -> None:
    """Without context and memory; `first_target = google` computes what they do, gradients included."""
    rng = generator(0, "first target")
    config = draw_config(rng, n_layer=2, n_head=2, d_model=12, first_target="google")
    ours, theirs = pair(config, torch.float64)
    batch = draw_batch(rng, config, 2, 5, 5, context=False)
    assert batch.ranks is not None and batch.predict_rows is not None
    seen = dependences(ours.encoder, batch, "predicted")
    first = torch.nonzero(batch.ranks == 0)[:, 0]
    assert seen[first, first].all(), "the leak that the originals have"
    reading = ours.encoder.read(batch, None, batch.predict_rows)
    assert reading.predicted is not None
    logits = ours.heads["plm"].scores(reading.predicted, ours.encoder.token_table)
    expected = theirs(**their_inputs(batch)).logits.flatten(0, 1)
    assert_close(logits, expected, "logits")
    logits.cos().sum().backward()
    expected.cos().sum().backward()
    assert_same_gradients(ours.weight_names(), ours, theirs)
    exact, _ = pair(config.with_changes(first_target="nothing"), torch.float64)
    assert not dependences(exact.encoder, batch, "predicted")[first, first].any()


def test_what_sees_nothing_attends_to_nothing() -> None:
    """Its attention is a zero, so that what comes out is the norm of what went in, and gradients are finite."""
    rng = generator(1, "blind")
    config = draw_config(rng, n_layer=1, n_head=2, d_model=12)
    ours, _ = pair(config, torch.float64)
    batch = draw_batch(rng, config, 3, 4, 4, context=False)
    assert batch.ranks is not None and batch.predict_rows is not None
    before, after = ours.encoder.hidden_streams(batch, batch.predict_rows)
    layer = ours.encoder.layers[0]
    alone = layer.attention_norm(before.predicted)
    alone = layer.output_norm(alone + layer.output(layer.activation(layer.intermediate(alone))))
    first = batch.ranks == 0
    assert_close(after.predicted[first], alone[first], "the first of each order")
    assert (after.predicted - alone).abs().sum(1)[~first].min() > 1e-6
    after.predicted.cos().sum().backward()
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in ours.parameters())


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_the_factorisation_is_that_of_every_order(length: int) -> None:
    """One pass gives all conditionals of an order. Each is that of a sequence which has what it sees, and no more:

    what is not seen may be any token of the vocabulary without changing it, and so the product over the positions is a
    distribution over all V^S texts: it sums to 1.
    """
    rng, vocabulary = generator(length, "factorisation"), 3 if length < 4 else 2
    config = draw_config(rng, n_layer=2, n_head=2, d_model=8, vocab_size=vocabulary, clamp_len=-1)
    ours, _ = pair(config, torch.float64, length)
    texts = torch.cartesian_prod(*[torch.arange(vocabulary)] * length).view(-1, length)
    for order in permutations(range(length)):
        ranks = torch.tensor(order).repeat(len(texts))
        ends = np.arange(len(texts) + 1) * length
        batch = replace(flat_batch(texts.flatten().numpy(), ends), ranks=ranks)
        scores = ours.heads["plm"].scores(ours.encoder(batch), ours.encoder.token_table)
        own = scores.log_softmax(-1).gather(1, texts.flatten()[:, None]).view(-1, length)
        assert abs(float(own.sum(1).exp().sum().detach()) - 1) < 1e-12
        for place in range(length):  # step by step, with nothing else in the sequence than what the order has so far
            kept = [j for j in range(length) if order[j] < order[place]]
            asked = conditional(ours, texts, kept, place, order)
            assert_close(own[:, place], asked.gather(1, texts[:, place, None])[:, 0], f"{order}, place {place}")


def conditional(model: Any, texts: Tensor, kept: list[int], place: int, order: tuple[int, ...]) -> Tensor:
    """(n, V) log p(token at `place` | tokens at `kept`), by the oracle: one sequence, one layer after another."""
    answers: list[Tensor] = []
    layers = model.encoder.layers
    for text in texts:
        places = torch.tensor(kept, dtype=torch.int64)
        content = model.encoder.token[text[places]]
        query = model.encoder.mask[0]
        ranks = torch.tensor([order[j] for j in kept])
        for layer in layers:
            # distances are those of the places in the whole sequence: the oracle is given them one row at a time
            seen = [_alone(layer, content, row, places, places[i], ranks <= ranks[i]) for i, row in enumerate(content)]
            query = _alone(
                layer, content, query[0], places, torch.tensor(place), torch.ones(len(kept), dtype=torch.bool)
            )
            content = torch.cat(seen) if seen else content
        answers.append(model.heads["plm"].scores(query, model.encoder.token_table).log_softmax(-1))
    return torch.cat(answers)


def _alone(layer: Any, content: Tensor, row: Tensor, places: Tensor, at: Tensor, seen: Tensor) -> Tensor:
    """(1, H), a layer for one row, written out once more, token after token."""
    attention, width = layer.attention, layer.attention.width
    heads: list[Tensor] = []
    for a in range(attention.heads):
        query = row @ attention.query[:, a]
        scores = [
            (query + attention.biases.content[a]) @ (content[j] @ attention.key[:, a])
            + (query + attention.biases.position[a]) @ (sinusoid(int(at - places[j]), layer) @ attention.position[:, a])
            for j in range(len(places))
            if seen[j]
        ]
        values = [content[j] @ attention.value[:, a] for j in range(len(places)) if seen[j]]
        context = torch.zeros(width, dtype=row.dtype)
        if scores:
            context = torch.softmax(torch.stack(scores) / width**0.5, 0) @ torch.stack(values)
        heads.append(attention.output[:, a] @ context)
    x = layer.attention_norm((row + torch.stack(heads).sum(0))[None])
    return layer.output_norm(x + layer.output(layer.activation(layer.intermediate(x))))


def sinusoid(distance: int, layer: Any) -> Tensor:
    """(H,) of one distance."""
    hidden = layer.attention.query.shape[0]
    angles = [distance / 10000 ** (i / hidden) for i in range(0, hidden, 2)]
    return torch.tensor([math.sin(a) for a in angles] + [math.cos(a) for a in angles], dtype=torch.float64)


@pytest.mark.parametrize("lengths", [[5, 0, 3], [0, 4], [0], [0, 0], [1]], ids=str)
@pytest.mark.parametrize("dropped", [False, True], ids=["whole", "dropout"])
def test_sequences_without_tokens(lengths: list[int], dropped: bool) -> None:
    config = draw_config(generator(0, "empty"), n_head=2, d_model=8, dropout=0.3 if dropped else 0.0)
    ours, _ = pair(config, torch.float32)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.arange(ends[-1]) + 1
    batch = flat_batch(ids, ends, ids % 2, ranks=ids % 3, predict_rows=np.flatnonzero(ids % 3), predict_ids=ids)
    reading = ours.encoder.read(batch, DropoutStream(0, "x") if dropped else None, batch.predict_rows)
    assert reading.predicted is not None and reading.predicted.isfinite().all()
    assert ours.encoder(replace(batch, ranks=None)).shape == (sum(lengths), 8)


def test_padding_changes_nothing() -> None:
    """A sequence alone and beside a longer one, in both streams."""
    rng = generator(0, "alone")
    config = draw_config(rng, n_layer=2, n_head=2, d_model=12)
    ours, _ = pair(config, torch.float64)
    short, long = draw_batch(rng, config, 1, 4, 2), draw_batch(rng, config, 1, 9, 5)
    assert short.predict_rows is not None and long.predict_rows is not None
    both = flat_batch(
        torch.cat([short.token_ids, long.token_ids]).numpy(),
        np.array([0, 4, 13]),
        torch.cat([short.token_type_ids, long.token_type_ids]).numpy(),
        ranks=torch.cat([short.ranks, long.ranks]).numpy(),
    )
    rows = torch.cat([short.predict_rows, long.predict_rows + 4])
    together = ours.encoder.hidden_streams(both, rows)[-1]
    apart = [ours.encoder.hidden_streams(one, one.predict_rows)[-1] for one in (short, long)]
    assert_close(together.content, torch.cat([one.content for one in apart]), "contents")
    assert_close(together.predicted, torch.cat([one.predicted for one in apart]), "predictions")


def test_dropout_is_a_function_of_its_stream() -> None:
    rng = generator(0, "dropout")
    config = draw_config(rng, n_head=2, d_model=8, dropout=0.2)
    ours, _ = pair(config, torch.float32)
    batch = draw_batch(rng, config, 2, 6, 3)
    one, again, other = (ours.encoder(batch, DropoutStream(seed, "x"), batch.predict_rows) for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert torch.equal(ours.encoder(batch, None, batch.predict_rows), ours.encoder(batch, None, batch.predict_rows))


@pytest.mark.parametrize(
    ("shape", "wish"),
    [
        ({"d_model": 9, "n_head": 3}, "d_model 9 is not even"),
        ({"d_model": 10, "n_head": 4}, "not a multiple of n_head 4"),
        ({"attn_type": "uni"}, "attn_type"),
        ({"mem_len": -1}, "mem_len"),
    ],
)
def test_shapes_that_are_none(shape: dict[str, Any], wish: str) -> None:
    with pytest.raises(ValueError, match=wish):
        XlnetConfig(**shape)


def test_what_is_not_for_it() -> None:
    config = draw_config(generator(0, "refused"), n_layer=2, n_head=2, d_model=8)
    ours, _ = pair(config, torch.float32)
    ragged = flat_batch(np.arange(1, 6), np.array([0, 2, 5]))
    with pytest.raises(ValueError, match=r"a memory of shape \(2, 2, 3, 8\) .* sequences of equal length"):
        ours.encoder.read(ragged, memory=torch.zeros(2, 2, 3, 8))
    with pytest.raises(ValueError, match="the batch has no ranks"):
        ours.encoder.read(ragged, rows=torch.tensor([1]))
    with pytest.raises(BadInput, match="XLNet does not read language_ids"):
        ours.encoder(replace(ragged, language_ids=ragged.token_ids))
    with pytest.raises(BadInput, match="XLNet has no pooler"):
        ours.encoder.pooled(ours.encoder(ragged), ragged)


def test_what_decays() -> None:
    """Matrices, tables, the mask and segment vectors; google's rule exempts what is called a bias or a norm."""
    ours, _ = pair(draw_config(generator(0, "decay"), n_layer=1, n_head=2, d_model=8, untie_r=True), torch.float32)
    decayed, exempt = decay_lists(ours)
    layer = "encoder.layers.0"
    assert decayed == [
        "encoder.token",
        "encoder.mask",
        *[f"{layer}.attention.{name}" for name in ("query", "key", "value", "position", "output", "segments")],
        f"{layer}.intermediate.weight",
        f"{layer}.output.weight",
    ]
    assert exempt == [
        *[f"{layer}.attention.biases.{name}" for name in ("content", "position", "segment")],
        *[f"{layer}.attention_norm.{name}" for name in ("weight", "bias")],
        f"{layer}.intermediate.bias",
        f"{layer}.output.bias",
        *[f"{layer}.output_norm.{name}" for name in ("weight", "bias")],
        "heads.plm.bias",
    ]
