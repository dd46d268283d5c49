"""XLNets of transformers with our weights, and batches that both can read."""

from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor

from maskwright.batch import Batch, flat_batch
from maskwright.models.xlnet import XlnetConfig, config_json
from maskwright.training.pretraining import Pretraining
from tests.models.networks import network
from tests.parity import lend_weights

Theirs = Any


def draw_config(rng: np.random.Generator, **changes: Any) -> XlnetConfig:
    """A small shape, without dropout."""
    heads, width = int(rng.integers(1, 4)), int(rng.choice([2, 4, 6]))
    shape: dict[str, Any] = {
        "vocab_size": int(rng.integers(20, 60)),
        "d_model": heads * width,
        "n_head": heads,
        "n_layer": int(rng.integers(1, 4)),
        "d_inner": int(rng.integers(1, 30)),
        "ff_activation": rng.choice(["gelu", "gelu_tanh", "relu"]),
        "untie_r": bool(rng.integers(2)),
        "clamp_len": int(rng.choice([-1, 0, 3])),
        "layer_norm_eps": float(rng.choice([1e-12, 1e-5])),
        "dropout": 0.0,
    }
    return XlnetConfig(**shape | changes)


def pair(config: XlnetConfig, dtype: torch.dtype, seed: int = 0) -> tuple[Pretraining, Theirs]:
    """Our network with its head, and theirs with the same weights."""
    ours = network(config, ("plm",), seed).to(dtype)
    theirs = transformers.XLNetLMHeadModel(transformers.XLNetConfig(**config_json(config))).to(dtype).eval()
    theirs.transformer.positional_embedding = exact_positions(config.d_model, dtype)
    lend_weights([*ours.weight_names()], ours, theirs)
    return ours, theirs


def exact_positions(hidden: int, dtype: torch.dtype) -> Any:
    """Their sinusoids by the same formula in float64: theirs are of float32, which in float64 is off by 1e-6."""
    inverse = 1 / 10000 ** (torch.arange(0, hidden, 2, dtype=torch.float64) / hidden)

    def embedding(distances: Tensor, _: Tensor, sequences: int | None = None) -> Tensor:
        angles = distances.double()[:, None] * inverse
        table = torch.cat([angles.sin(), angles.cos()], -1)[:, None].to(dtype)
        return table if sequences is None else table.expand(-1, sequences, -1)

    return embedding


def draw_batch(
    rng: np.random.Generator,
    config: XlnetConfig,
    sequences: int,
    length: int,
    targets: int,
    *,
    context: bool = True,
    segments: bool = True,
) -> Batch:
    """Sequences of one length in random orders, `targets` of each to predict; without context all have a rank."""
    orders = np.stack([rng.permutation(length) for _ in range(sequences)])
    rows = np.sort(np.stack([rng.permutation(length)[:targets] for _ in range(sequences)]), 1)
    ranks = orders.copy()
    if context:
        ranks[:] = -1
        np.put_along_axis(ranks, rows, np.take_along_axis(orders, rows, 1), 1)
    ids = rng.integers(1, config.vocab_size, (sequences, length))
    flat_rows = (rows + np.arange(sequences)[:, None] * length).ravel()
    return flat_batch(
        ids.ravel(),
        np.arange(sequences + 1) * length,
        rng.integers(0, 3, sequences * length) if segments else None,
        ranks=ranks.ravel(),
        backward=np.arange(sequences) >= sequences // 2 if config.bi_data else None,
        predict_rows=flat_rows,
        predict_ids=ids.ravel()[flat_rows],
    )


def their_inputs(batch: Batch) -> dict[str, Tensor]:
    """perm_mask and target_mapping by their definition: 1 where a token is not seen."""
    n, s = batch.num_sequences, batch.max_seqlen
    assert batch.ranks is not None and batch.predict_rows is not None
    ranks = batch.ranks.view(n, s)
    is_context = ranks == ranks.min() if int(ranks.min()) < 0 else torch.zeros_like(ranks, dtype=torch.bool)
    hidden = ~((ranks[:, None] < ranks[:, :, None]) | (is_context[:, None] & is_context[:, :, None]))
    rows = batch.predict_rows.view(n, -1) % s
    inputs = {
        "input_ids": batch.token_ids.view(n, s),
        "perm_mask": hidden.double(),
        "target_mapping": torch.nn.functional.one_hot(rows, s).double(),
    }
    if batch.token_type_ids is not None:
        inputs["token_type_ids"] = batch.token_type_ids.view(n, s)
    return inputs
