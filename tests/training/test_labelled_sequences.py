"""Examples of several sequences stay together, in steps, micro-batches and whatever is looked at once."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from maskwright.checkpoints.task_part import TaskPart
from maskwright.draws import generator
from maskwright.tasks.inputs import TransformerInputs
from maskwright.tokenizers.pairs import EncodedPair
from maskwright.training.labelled_sequences import Epochs, LabelledSequences
from tests.checkpoints import made_up
from tests.training.test_finetuning import drawn

SIZES = (4, 2, 3, 4, 1, 2, 5, 4, 3)


def choices(sizes: Sequence[int] = SIZES) -> LabelledSequences:
    """Sequence k of all holds the token 5 + k alone, several times."""
    rng = generator(0, "choices")
    lengths = rng.integers(1, 9, sum(sizes))
    encoded: list[EncodedPair] = []
    for number, length in enumerate(lengths.tolist()):
        ids = np.full(length, 5 + number)
        none = np.zeros(length, np.int64)
        encoded.append(EncodedPair(ids, none, none, np.zeros((length, 2), np.int64), ("x",) * length))
    labels = np.array([size - 1 for size in sizes])
    return LabelledSequences(encoded, labels, TransformerInputs(made_up.tokenizer(), segments=2), sizes=sizes)


def test_options_stay_with_their_example() -> None:
    made = choices()
    ends = np.cumsum([0, *SIZES])
    assert len(made) == len(SIZES) and made.sizes.tolist() == list(SIZES)
    seen: list[int] = []
    for which, batch in made.in_order(20):
        assert batch.groups is not None and batch.labels is not None
        firsts = batch.token_ids[batch.cu_seqlens[:-1].long()] - 5
        for place, example in enumerate(which.tolist()):
            its = firsts[batch.groups[place] : batch.groups[place + 1]].tolist()
            assert its == list(range(ends[example], ends[example + 1]))
            assert batch.labels[place] == SIZES[example] - 1
        seen += which.tolist()
    assert sorted(seen) == list(range(len(SIZES)))


def test_what_is_looked_at_is_batched_by_length_where_there_is_enough_of_it() -> None:
    """Of 8 tokens ten, of 7 one, of 4 ten; forty tokens a batch."""
    lengths = [4, 8] * 10 + [7]
    none = [np.zeros(length, np.int64) for length in lengths]
    encoded = [EncodedPair(ids, ids, ids, np.zeros((len(ids), 2), np.int64), ("x",) * len(ids)) for ids in none]
    made = LabelledSequences(encoded, None, TransformerInputs(made_up.tokenizer(), segments=2))
    found = [batch.cu_seqlens.diff().tolist() for _, batch in made.in_order(40)]
    assert found == [[8] * 5, [8] * 5, [7, *[4] * 4], [4] * 6]


@pytest.mark.parametrize("micro", [1, 6, 100])
def test_a_step_is_of_examples_and_a_micro_batch_of_sequences(micro: int) -> None:
    epochs = Epochs(choices(), batch=4, micro=micro, seed=0)
    assert epochs.steps == 3
    of_epoch = [batch for step in range(3) for batch in epochs.batches(step)]
    assert sum(len(batch.labels) for batch in of_epoch if batch.labels is not None) == len(SIZES)
    assert sum(batch.num_sequences for batch in of_epoch) == sum(SIZES)
    assert all(batch.num_sequences <= max(micro, *SIZES) for batch in of_epoch)
    assert (len(epochs.batches(0)) == 1) == (micro == 100)


def test_the_gradient_of_micro_batches_is_that_of_the_joined_batch() -> None:
    gradients: list[torch.Tensor] = []
    for micro in (5, 100):
        model = drawn("bert", TaskPart("option", ()))
        batches = Epochs(choices((2, 3, 4, 2, 3, 4)), batch=6, micro=micro, seed=0).batches(0)
        for batch in batches:
            tally = model.tallies(batch)["task"]
            (tally.loss_sum / 6).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    assert torch.allclose(*gradients, rtol=1e-11, atol=1e-13)
