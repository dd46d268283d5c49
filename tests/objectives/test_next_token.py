"""Next-token prediction: what is asked of which row, and the loss against a loop."""

import numpy as np
import torch

from maskwright.batch import Sequences
from maskwright.objectives.next_token import NextTokenHead, with_next_tokens
from tests.models.networks import network, small


def sequences(lengths: list[int]) -> Sequences:
    ids = np.random.default_rng(0).integers(5, 50, sum(lengths))
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Sequences(token_ids=ids, token_type_ids=ids * 0, cu_seqlens=ends, special=ids < 0)


def test_each_row_but_a_sequences_last_predicts_the_token_behind_it() -> None:
    given = sequences([4, 1, 0, 3])
    batch = with_next_tokens(given)
    assert batch.predict_rows is not None and batch.predict_ids is not None
    asked = dict(zip(batch.predict_rows.tolist(), batch.predict_ids.tolist(), strict=True))
    ids = given.token_ids.tolist()
    assert asked == {0: ids[1], 1: ids[2], 2: ids[3], 5: ids[6], 6: ids[7]}
    assert NextTokenHead().count(batch) == 5 and batch.token_type_ids is None


def test_the_loss_is_the_sum_over_tokens_of_the_text_before_them() -> None:
    """Each prefix by itself through the network, and what its last row says of the token behind it."""
    model = network(small("gpt2"), ("lm",)).double()
    given = sequences([5, 3])
    total = 0.0
    for ids in np.split(given.token_ids, [5]):
        for end in range(1, len(ids)):
            batch = with_next_tokens(
                Sequences(
                    token_ids=ids[:end], token_type_ids=ids[:end], cu_seqlens=np.array([0, end]), special=ids[:end] < 0
                )
            )
            scores = (model.encoder(batch)[-1] @ model.encoder.token_table.T).detach()
            total -= float(torch.log_softmax(scores, -1)[ids[end]])
    tally = model.tallies(with_next_tokens(given))["lm"]
    assert tally.count == 6 and abs(float(tally.loss_sum) - total) < 1e-10
