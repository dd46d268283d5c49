"""Our network beside another implementation of it, with the same weights and the same batch."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from maskwright.batch import Batch, flat_batch
from maskwright.checkpoints.published import publish
from maskwright.layers.weight_names import WeightName

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
IGNORED = -100  # the label that transformers' losses pass over


def lend_weights(names: Sequence[WeightName], ours: nn.Module, theirs: nn.Module) -> None:
    """Copy every weight of ours into theirs; each of theirs must get one (its decoder is tied to the table)."""
    published = publish(names, dict(ours.named_parameters()))
    missing, unexpected = theirs.load_state_dict(published, strict=False)
    assert not unexpected, f"the other network has no {unexpected}"
    assert set(missing) <= {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}, missing


def draw_batch(
    rng: np.random.Generator, lengths: Sequence[int], vocab_size: int, type_vocab_size: int = 2, rate: float = 0.3
) -> Batch:
    """A batch of random ids (from 1 up: transformers gives id 0 no gradient), segments, predictions and pair labels."""
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = int(ends[-1])
    rows = np.flatnonzero(rng.random(tokens) < rate)
    return flat_batch(
        rng.integers(1, vocab_size, tokens),
        ends,
        rng.integers(0, type_vocab_size, tokens),
        predict_rows=rows,
        predict_ids=rng.integers(1, vocab_size, len(rows)),
        pair_labels=rng.integers(0, 2, len(lengths)),
    )


def padded(batch: Batch) -> dict[str, Tensor]:
    """The rectangle that transformers takes; its rows of padding carry id 0."""
    assert batch.token_type_ids is not None
    labels = torch.full_like(batch.token_ids, IGNORED)
    if batch.predict_rows is not None and batch.predict_ids is not None:
        labels[batch.predict_rows] = batch.predict_ids

    def rectangle(rows: Tensor, filling: int) -> Tensor:
        cut = rows.split(batch.cu_seqlens.diff().tolist())
        return nn.utils.rnn.pad_sequence(list(cut), batch_first=True, padding_value=filling)

    return {
        "input_ids": rectangle(batch.token_ids, 0),
        "token_type_ids": rectangle(batch.token_type_ids, 0),
        "attention_mask": rectangle(torch.ones_like(batch.token_ids), 0),
        "labels": rectangle(labels, IGNORED),
    }


def flat(rectangle: Tensor, batch: Batch) -> Tensor:
    """(N, S, ...) -> (T, ...): the rows that are no padding."""
    return torch.cat([row[:length] for row, length in zip(rectangle, batch.cu_seqlens.diff().tolist(), strict=True)])


def distance(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference, relative where values are larger than 1."""
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    ours, theirs = ours.detach(), theirs.detach()
    if ours.numel() == 0:
        return 0.0
    return float((ours - theirs).abs().max() / max(1.0, float(theirs.abs().max())))


def assert_close(ours: Tensor, theirs: Tensor, what: str) -> None:
    """Equal to within what the type of numbers allows: 1e-10 in float64, 1e-5 in float32."""
    assert ours.dtype == theirs.dtype, what
    assert distance(ours, theirs) <= TOLERANCE[ours.dtype], f"{what}: {distance(ours, theirs):.2e}"


def assert_same_gradients(names: Sequence[WeightName], ours: nn.Module, theirs: nn.Module) -> None:
    """Every gradient; a parameter that one side does not use has a gradient of zeros or none."""

    def gradients(module: nn.Module) -> Mapping[str, Tensor]:
        return {name: p.grad if p.grad is not None else torch.zeros_like(p) for name, p in module.named_parameters()}

    published, expected = publish(names, gradients(ours)), gradients(theirs)
    assert published.keys() == expected.keys()
    for name, gradient in expected.items():
        assert_close(published[name], gradient, f"gradient of {name}")
