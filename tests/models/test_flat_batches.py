"""What must hold of an encoder over flat batches: sequences are alone with themselves, however they are batched."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import transformers

import maskwright.layers.transformer_layer as layer_module
from maskwright.batch import Batch, flat_batch
from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.layers.attention import Way, attention
from maskwright.layers.dropout import DropoutStream
from maskwright.models.bert import bert, config_json
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from maskwright.training.pretraining import Pretraining
from maskwright.training.pretraining import network as build
from tests.models.networks import network, small
from tests.parity import draw_batch, flat, lend_weights, padded

WAYS: list[Way] = ["plain", "products", "sdpa"]
LENGTHS = [7, 1, 40, 13, 13, 2, 29]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Way:
    """The network computes attention this way."""
    monkeypatch.setattr(layer_module, "attention", partial(attention, way=request.param))
    return request.param


def alone(batch: Batch, n: int) -> Batch:
    """Sequence `n` in a batch of its own."""
    begin, end = batch.cu_seqlens[n : n + 2].tolist()
    assert batch.token_type_ids is not None
    return flat_batch(
        batch.token_ids[begin:end].numpy(), np.array([0, end - begin]), batch.token_type_ids[begin:end].numpy()
    )


@torch.no_grad()
def outputs(model: Pretraining, batch: Batch) -> torch.Tensor:
    """(T, H), without the fields that heads read."""
    return model.encoder(batch)


def test_padded_and_flat_agree(way: Way) -> None:
    """Whatever stands in the padding of the rectangle, and however much of it there is."""
    config = small()
    model = network(config)
    theirs = transformers.BertModel(transformers.BertConfig(**config_json(config))).eval()
    lend_weights(model.encoder.weight_names(), model.encoder, theirs)
    batch = draw_batch(generator(0, "padded"), LENGTHS, config.vocab_size)
    inputs = padded(batch)
    del inputs["labels"]
    inputs["input_ids"][inputs["attention_mask"] == 0] = 17  # what stands in padding reaches nobody
    longer = {name: torch.nn.functional.pad(value, (0, 9)) for name, value in inputs.items()}
    with torch.no_grad():
        for rectangle in (inputs, longer):
            expected = flat(theirs(**rectangle).last_hidden_state, batch)
            assert (outputs(model, batch) - expected).abs().max() <= 1e-5


def test_the_company_of_a_sequence_does_not_change_its_answer(way: Way) -> None:
    config = small()
    model = network(config)
    batch = draw_batch(generator(1, "company"), LENGTHS, config.vocab_size)
    together = outputs(model, batch).split(LENGTHS)
    for n, expected in enumerate(together):
        assert (outputs(model, alone(batch, n)) - expected).abs().max() <= 1e-5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bf16"])
def test_a_changed_sequence_leaves_its_neighbours_bitwise(way: Way, dtype: torch.dtype) -> None:
    config = small(hidden_size=64, num_attention_heads=4)
    model = network(config).to(dtype)
    batch = draw_batch(generator(2, "neighbours"), LENGTHS, config.vocab_size)
    before = outputs(model, batch).split(LENGTHS)
    for n in range(len(LENGTHS)):
        begin, end = batch.cu_seqlens[n : n + 2].tolist()
        changed = batch.token_ids.clone()
        changed[begin:end] = (changed[begin:end] + 7) % config.vocab_size
        after = outputs(model, replace(batch, token_ids=changed)).split(LENGTHS)
        assert not torch.equal(after[n], before[n])
        assert all(torch.equal(after[m], before[m]) for m in range(len(LENGTHS)) if m != n)


@pytest.mark.parametrize("kind", ["bert", "roberta", "albert", "xlm", "xlnet"])
def test_every_network_keeps_sequences_apart(kind: str) -> None:
    """Whatever their neighbours are, bit for bit; and each as if it were alone."""
    config = small(kind)
    model = network(config, ())
    languages, segments = getattr(config, "n_langs", 0), getattr(config, "type_vocab_size", 0)
    batch = draw_batch(generator(9, "apart"), LENGTHS, config.vocab_size, segments, languages=languages)
    before = outputs(model, batch).split(LENGTHS)
    changed = batch.token_ids.clone()
    changed[8:48] = (changed[8:48] + 7) % config.vocab_size
    after = outputs(model, replace(batch, token_ids=changed)).split(LENGTHS)
    assert [torch.equal(a, b) for a, b in zip(after, before)] == [n != 2 for n in range(len(LENGTHS))]
    first = {
        name: value[:7]
        for name in ("token_ids", "token_type_ids", "language_ids")
        if (value := getattr(batch, name)) is not None
    }
    one = replace(batch, cu_seqlens=batch.cu_seqlens[:2], max_seqlen=7, position_ids=batch.position_ids[:7], **first)
    assert (outputs(model, one) - before[0]).abs().max() < 1e-5


@pytest.mark.parametrize("name", ["adamw", "muon"])
@pytest.mark.parametrize("kind", ["roberta", "albert", "xlm"])
def test_every_network_learns_a_batch_by_heart(kind: str, name: str) -> None:
    """In bf16 over flat parameters, as the loop trains."""
    config = small(kind, hidden_size=32)
    heads = ("mlm", "sop") if kind == "albert" else ("mlm",)
    model = build(config, heads)
    model.initialise(0.05, 0)
    optimizer = Optimizer(model, OptimizerConfig(name=name, rate=5e-3), torch.bfloat16)
    languages, segments = getattr(config, "n_langs", 0), getattr(config, "type_vocab_size", 0)
    batch = draw_batch(generator(10, "heart"), [12, 9], config.vocab_size, segments, languages=languages)
    losses: list[float] = []
    for step in range(60):
        tallies = model.tallies(batch, DropoutStream(0, "heart", step))
        loss = torch.stack([tally.loss_sum / tally.count for tally in tallies.values()]).sum()
        loss.backward()
        optimizer.flat.collect(first=True)
        optimizer.step(1.0)
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) / 5 < 0.5 * losses[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bf16"])
@pytest.mark.parametrize("lengths", [[5, 0, 3], [0, 4], [4, 0, 0], [0], [0, 0], [1]], ids=str)
@pytest.mark.parametrize("dropped", [False, True], ids=["whole", "dropout"])
def test_an_empty_sequence_is_no_trouble(way: Way, lengths: list[int], dtype: torch.dtype, dropped: bool) -> None:
    """Finite forwards and backwards; its neighbours have the answers they have without it."""
    config = small()
    model = network(config).to(dtype)
    batch = draw_batch(generator(3, "empty"), lengths, config.vocab_size)
    if way == "sdpa" and dropped:
        with pytest.raises(ValueError, match="drops no attention weights"):
            model.tallies(batch, DropoutStream(0, "empty"))
        return
    full = [length for length in lengths if length]
    without = draw_batch(generator(3, "empty"), full, config.vocab_size)
    if full and not dropped:
        assert torch.equal(batch.token_ids, without.token_ids)
        tolerance = 1e-5 if dtype == torch.float32 else 0.1
        assert (outputs(model, batch) - outputs(model, without)).abs().max() <= tolerance
    tallies = model.tallies(batch, DropoutStream(0, "empty") if dropped else None)
    loss = sum((tally.loss_sum for tally in tallies.values()), torch.zeros(()))
    assert torch.isfinite(loss) and tallies["nsp"].count == len(lengths)
    loss.backward()
    assert all(p.grad is None or bool(torch.isfinite(p.grad).all()) for p in model.parameters())
    assert model.encoder.pooled(outputs(model, batch), batch).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=["float64", "float32", "bf16"])
def test_a_batch_with_nothing_to_predict(dtype: torch.dtype) -> None:
    config = small()
    model = network(config, ("mlm",)).to(dtype)
    batch = draw_batch(generator(4, "nothing"), [5, 9], config.vocab_size, rate=0.0)
    tally = model.tallies(batch)["mlm"]
    assert tally.count == 0 and tally.loss_sum.item() == 0 and int(tally.correct) == 0
    tally.loss_sum.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients and all(not gradient.any() for gradient in gradients)


def test_what_the_network_cannot_take_is_refused() -> None:
    config = small(max_position_embeddings=8)
    model = bert(config)
    with pytest.raises(BadInput, match=r"9 tokens is longer than the model's 8 positions"):
        model(draw_batch(generator(5, "long"), [3, 9], config.vocab_size))
    with pytest.raises(ValueError, match="hidden_size 10 is not a multiple of num_attention_heads 4"):
        small(hidden_size=10, num_attention_heads=4)


def test_attention_weights_are_shares_and_give_the_output() -> None:
    config = small()
    model = network(config).encoder
    batch = draw_batch(generator(6, "weights"), LENGTHS, config.vocab_size)
    weights = model.attention_weights(batch)
    assert [w.shape for w in weights] == [(2, 2, s, s) for s in LENGTHS]
    for w in weights:
        assert (w >= 0).all() and (w.sum(-1) - 1).abs().max() < 1e-6


def test_evaluation_drops_nothing_and_training_the_same_at_the_same_address() -> None:
    config = small(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.2)
    model = network(config)
    batch = draw_batch(generator(7, "dropout"), LENGTHS, config.vocab_size)

    def run(*address: int | str) -> torch.Tensor:
        return model.encoder(batch, DropoutStream(0, *address) if address else None)

    torch.manual_seed(1)
    first = run()
    torch.manual_seed(2)
    assert torch.equal(first, run()), "evaluation is deterministic"
    assert not torch.equal(first, run("dropout", 3, 0))
    assert torch.equal(run("dropout", 3, 0), run("dropout", 3, 0))
    assert not torch.equal(run("dropout", 3, 0), run("dropout", 3, 1))
    assert not torch.equal(run("dropout", 3, 0), run("dropout", 4, 0))


def test_a_forward_pass_touches_no_global_state() -> None:
    config = small()
    model = network(config)
    batch = draw_batch(generator(8, "state"), LENGTHS, config.vocab_size)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    model.tallies(batch, DropoutStream(0, "state"))["mlm"].loss_sum.backward()
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()  # noqa: NPY002
