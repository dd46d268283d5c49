"""Flat batches as stock networks take them: padded to the longest of each."""

import torch

from maskwright.batch import Batch


def rectangle(batch: Batch, device: torch.device | str = "cpu") -> dict[str, torch.Tensor]:
    """The batch as (N, S) token ids, attention mask, labels that are -100 where nothing is predicted; segments and the
    pairs' labels where it has them. S is its longest sequence.
    """
    assert batch.predict_rows is not None and batch.predict_ids is not None
    lengths = batch.cu_seqlens.diff().long()
    there = torch.arange(batch.max_seqlen)[None, :] < lengths[:, None]
    labels = torch.full_like(batch.token_ids, -100)
    labels[batch.predict_rows] = batch.predict_ids
    flat = {"input_ids": (batch.token_ids, 0), "labels": (labels, -100)}
    if batch.token_type_ids is not None:
        flat["token_type_ids"] = batch.token_type_ids, 0
    made = {"attention_mask": there.long()}
    for name, (values, padding) in flat.items():
        made[name] = torch.full(there.shape, padding)
        made[name][there] = values
    if batch.pair_labels is not None:
        made["next_sentence_label"] = batch.pair_labels
    return {name: tensor.to(device) for name, tensor in made.items()}
