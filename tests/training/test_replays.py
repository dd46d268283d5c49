"""Passes that are recorded and played back, with a recording that calls the function again in place of a GPU's."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given as drawn_from
from hypothesis import strategies as st

from maskwright.batch import Batch
from maskwright.layers.cross_entropy import IGNORED, at_once
from maskwright.layers.dropout import DropoutStream
from maskwright.training import flat, replays
from maskwright.training.gradients import gradients
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from maskwright.training.passes import AsWritten, Sums
from maskwright.training.replays import OnCuda, Replays, passes_of, why_not
from maskwright.training.signals import Stop
from maskwright.training.static_shapes import can_fill, filled, shape_in, shape_of
from maskwright.training.training_config import TrainingConfig
from maskwright.training.work import whole
from tests.models.networks import network, small
from tests.training.works import Examples, Given, relative

CPU = torch.device("cpu")
NO_CLIP = TrainingConfig(clip=None)
ALWAYS = TrainingConfig(graphs="always")
EXAMPLES = Examples(5, 600)
CUTS = [range(290), range(290, 600), range(0, 600, 2), range(100)]
"""The sequences of four micro-batches, of as many shapes: sequences of 3 to 19 tokens."""


class Again:
    """Records by calling the function again, and counts."""

    def __init__(self) -> None:
        self.recorded = self.played = 0

    def __call__(self, written: Callable[[], None]) -> Callable[[], None]:
        self.recorded += 1
        written()  # as a GPU warms up, which must leave no trace

        def play() -> None:
            self.played += 1
            written()

        return play


def given(model_type: str, heads: tuple[str, ...], batches: list[Batch]) -> Given:
    nothing = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout"), 0.0)
    nothing |= dict.fromkeys(("attention_dropout", "embd_pdrop", "attn_pdrop", "resid_pdrop"), 0.0)
    fields = type(small(model_type)).model_fields
    shape = small(model_type, **{name: value for name, value in nothing.items() if name in fields})
    return Given(network(shape, heads), batches)


def of_model(model_type: str, batch: Batch) -> Batch:
    """The batch with what that network reads."""
    if model_type in ("roberta", "gpt2"):
        return replace(batch, token_type_ids=None, pair_labels=None)
    if model_type == "xlm":
        return replace(batch, token_type_ids=None, pair_labels=None, language_ids=batch.token_ids % 3)
    return batch


def gradient(work: Given, one_pass: Any, optimizer: Optimizer) -> tuple[torch.Tensor, Any]:
    sums, _, _ = gradients(work, optimizer, whole(work.batches(0)), NO_CLIP, 0, Stop(), one_pass=one_pass)
    return optimizer.flat.gradient.clone(), sums.sums


@pytest.mark.parametrize(
    ("model_type", "heads"),
    [
        ("bert", ("mlm", "nsp")),
        ("roberta", ("mlm",)),
        ("albert", ("mlm", "sop")),
        ("xlm", ("mlm",)),
        ("gpt2", ("lm",)),
    ],
)
@pytest.mark.parametrize("held", [flat.HELD, 1])
def test_the_same_loss_and_gradient(
    model_type: str, heads: tuple[str, ...], held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Joined from micro-batches of several shapes, and of the same shapes once more with other tokens.

    held   numbers of a matrix whose gradient is held where the pass leaves it
    """
    monkeypatch.setattr(flat, "HELD", held)
    batches = [of_model(model_type, EXAMPLES.batch(which)) for which in CUTS]
    work, record = given(model_type, heads, batches), Again()
    optimizer = Optimizer(work.module, OptimizerConfig(), torch.float64)
    played = Replays(work, CPU, record)
    for _ in range(2):
        expected, summed = gradient(work, AsWritten(work, CPU), optimizer)
        found, sums = gradient(work, played, optimizer)
        assert float(expected.norm()) > 0
        assert relative(found, expected) <= 1e-12
        assert sums.keys() == summed.keys() == set(heads)
        for name in heads:
            assert sums[name] == pytest.approx(summed[name], rel=1e-12)
        work = Given(work.module, [replace(batch, token_ids=batch.token_ids.flip(0)) for batch in batches])
        played.work = work
    assert record.recorded == len({shape_of(batch, 64) for batch in batches}) > 1
    assert record.played == 2 * len(batches)


def test_a_shape_serves_batches_of_like_size() -> None:
    """Packed rows differ by some tokens, sequences and predictions: here one sequence after another is left out."""
    batches = [EXAMPLES.batch([*range(place), *range(place + 1, 290)]) for place in range(5)]
    sizes = {(batch.num_tokens, len(predicted(batch))) for batch in batches}
    shapes = {shape_of(batch, 64) for batch in batches}
    assert len(sizes) == 5 and len(shapes) == 2
    work, record = given("bert", ("mlm", "nsp"), batches), Again()
    optimizer = Optimizer(work.module, OptimizerConfig(), torch.float64)
    expected, _ = gradient(work, AsWritten(work, CPU), optimizer)
    found, _ = gradient(work, Replays(work, CPU, record), optimizer)
    assert relative(found, expected) <= 1e-12
    assert (record.recorded, record.played) == (2, 5)


def predicted(batch: Batch) -> torch.Tensor:
    assert batch.predict_rows is not None
    return batch.predict_rows


@pytest.mark.parametrize("which", CUTS)
def test_filler_is_sequences_of_its_own(which: range) -> None:
    """Each predicted row of it is another one: a kernel is told the most rows of a sequence that are asked from."""
    batch = EXAMPLES.batch(which)
    shape = shape_of(batch, 64)
    full = filled(batch, shape)
    assert (full.num_tokens, full.num_sequences, full.max_seqlen) == shape[:3]
    assert full.num_tokens < 1.02 * batch.num_tokens
    lengths = full.cu_seqlens.diff()
    assert int(lengths.max()) <= shape.longest and int(lengths.min()) >= 1 and int(lengths.sum()) == shape.tokens
    assert full.cu_seqlens[: batch.num_sequences + 1].equal(batch.cu_seqlens)
    rows, ids = predicted(full), full.predict_ids
    own = len(predicted(batch))
    assert ids is not None and full.pair_labels is not None
    assert len(rows) == len(ids) == shape.predictions >= own and len(rows.unique()) == len(rows)
    assert bool((rows[own:] >= batch.num_tokens).all()) and bool((ids[own:] == IGNORED).all())
    assert bool((full.pair_labels[batch.num_sequences :] == IGNORED).all())


@drawn_from(
    lengths=st.lists(st.integers(1, 64), min_size=1, max_size=300),
    share=st.floats(0, 1),
    positions=st.integers(64, 200),
)
def test_no_more_rows_of_a_sequence_are_asked_for_than_a_kernel_is_told(
    lengths: list[int], share: float, positions: int
) -> None:
    """The predicted ones and the first one of each sequence, as a network with a head for pairs reads them."""
    ends = torch.tensor([0, *lengths]).cumsum(0)
    tokens = int(ends[-1])
    asked = torch.nonzero(torch.rand(tokens, generator=torch.Generator().manual_seed(tokens)) < share)[:, 0]
    asked = asked[~torch.isin(asked, ends)]  # no first token is ever hidden
    none = torch.zeros(tokens, dtype=torch.int64)
    batch = Batch(
        token_ids=none, cu_seqlens=ends.int(), max_seqlen=max(lengths), position_ids=none,
        predict_rows=asked, predict_ids=none[: len(asked)],
    )  # fmt: skip
    shape = shape_of(batch, positions)
    full = filled(batch, shape)
    assert shape_in(full) == shape and shape_of(full, positions).longest == shape.longest
    rows = torch.cat([predicted(full), full.first_rows]).sort().values
    assert int(torch.searchsorted(rows, full.cu_seqlens.long()).diff().max()) <= full.max_seqlen
    assert int(full.cu_seqlens.diff().min()) >= 1 and int(full.cu_seqlens[-1]) == full.num_tokens == shape.tokens


def test_no_filler_is_longer_than_there_are_positions() -> None:
    batch = EXAMPLES.batch(range(600))
    assert shape_of(batch, 19).longest == 19 and int(filled(batch, shape_of(batch, 19)).cu_seqlens.diff().max()) <= 19


def test_behind_the_limit_passes_are_computed_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the same filled batches: what was recorded before changes no result."""
    batches = [EXAMPLES.batch(which) for which in CUTS]
    work = given("bert", ("mlm", "nsp"), batches)
    optimizer = Optimizer(work.module, OptimizerConfig(), torch.float64)
    expected, _ = gradient(work, Replays(work, CPU, Again()), optimizer)
    monkeypatch.setattr(replays, "MOST", 2)
    record = Again()
    found, _ = gradient(work, Replays(work, CPU, record), optimizer)
    assert (record.recorded, record.played) == (2, 2)
    assert relative(found, expected) <= 1e-14


def test_a_batch_with_more_than_filler_is_known_for_is_computed_as_written() -> None:
    batch = replace(EXAMPLES.batch(range(100)), span_bounds=torch.zeros(0, 2, dtype=torch.int64))
    assert not can_fill(batch)
    work, record = given("bert", ("mlm", "nsp"), [batch]), Again()
    optimizer = Optimizer(work.module, OptimizerConfig(), torch.float64)
    expected, _ = gradient(work, AsWritten(work, CPU), optimizer)
    assert gradient(work, Replays(work, CPU, record), optimizer)[0].equal(expected)
    assert record.recorded == 0


def test_dropout_is_that_of_each_pass() -> None:
    """What was recorded with one micro-batch's dropout is played with another's."""
    batch = EXAMPLES.batch(range(290))
    work, record = Given(network(small("bert"), ("mlm", "nsp")), [batch, batch]), Again()
    optimizer, written = Optimizer(work.module, OptimizerConfig(), torch.float64), AsWritten(work, CPU)
    losses: list[float] = []

    class FilledAndWritten:
        def __call__(self, batch: Batch, stream: Callable[[], DropoutStream], counts: Mapping[str, float]) -> Sums:
            sums = written(batch, stream, counts)
            losses.append(float(sums["mlm"][0]))
            return sums

        def ready(self, batch: Batch) -> Batch:
            return filled(batch, shape_of(batch, 64))

    expected, _ = gradient(work, FilledAndWritten(), optimizer)
    assert losses[0] != losses[1]  # the same batch with another dropout
    found, _ = gradient(work, Replays(work, CPU, record), optimizer)
    assert relative(found, expected) <= 1e-14
    assert (record.recorded, record.played) == (1, 2)


def test_targets_that_count_for_nothing() -> None:
    draws = torch.Generator().manual_seed(0)
    scores = torch.randn(40, 30, generator=draws).bfloat16()
    target = torch.randint(0, 30, (40,), generator=draws)
    some = torch.randperm(40, generator=draws)[:12]
    loss, correct, grad = at_once(scores, target.index_fill(0, some, IGNORED))
    others = torch.ones(40, dtype=torch.bool).index_fill_(0, some, False)
    expected, hits, of_others = at_once(scores[others], target[others])
    torch.testing.assert_close(loss, expected)
    assert int(correct) == int(hits) and grad[others].equal(of_others) and not grad[some].any()


def test_why_passes_cannot_be_recorded() -> None:
    said: list[str] = []
    work = given("bert", ("mlm", "nsp"), [])
    progress: Any = SimpleNamespace(say=said.append)
    assert isinstance(passes_of(work, TrainingConfig(), CPU, progress), AsWritten) and not said
    assert isinstance(passes_of(work, ALWAYS, CPU, progress), AsWritten)
    assert said == ["training.graphs always: computed as it is written, since CUDA graphs are a GPU's"]
    gpu = torch.device("cuda")
    assert why_not(work, ALWAYS, gpu) is None
    assert "training.recompute layers" in str(why_not(work, TrainingConfig(recompute="layers"), gpu))
    next(work.module.parameters()).requires_grad_(False)
    assert "weights are fixed" in str(why_not(work, ALWAYS, gpu))
    spans = Given(network(small("bert"), ("mlm", "sbo")), [EXAMPLES.batch(CUTS[0])])
    assert "batches with spans" in str(why_not(spans, ALWAYS, gpu))
    assert "no pretraining" in str(why_not(Given(torch.nn.Linear(1, 1), []), ALWAYS, gpu))  # type: ignore[arg-type]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_recorded_on_a_gpu(dropout: float) -> None:
    """The same bits as the filled batches' passes as written, with the same dropout; and twice the same."""
    device = torch.device("cuda")
    shape = small("bert", hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout, hidden_size=128)
    batches = [EXAMPLES.batch(which) for which in (*CUTS, *CUTS)]
    work = Given(network(shape, ("mlm", "nsp")).to(device), batches)
    optimizer = Optimizer(work.module, OptimizerConfig(), torch.bfloat16)
    played = Replays(work, device, OnCuda())
    expected, sums = gradient(work, Replays(work, device, lambda written: written), optimizer)
    for _ in range(2):
        found, its = gradient(work, played, optimizer)
        assert relative(found, expected) <= 1e-3
        for name in sums:
            assert its[name] == pytest.approx(sums[name], rel=1e-4)
