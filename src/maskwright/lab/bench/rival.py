"""The other side: `BertForPreTraining` of `transformers`, trained as its users train it.

Autocast or float32, labels of the whole rectangle with -100 where nothing is predicted, AdamW,
`clip_grad_norm_`; on a GPU also compiled, which with full sequences is a compiled baseline without padding. Its batches
are made beforehand, outside the time. This module is the only one that imports transformers, and runs in a process of
its own.
"""

from itertools import cycle
from typing import Any

import torch

from maskwright.lab.bench.clock import time_steps, told
from maskwright.lab.bench.ours import masked
from maskwright.lab.bench.shapes import DROPOUT, Shape
from maskwright.training.run import device_for

MADE = 8  # batches, shown in turn


def batches(shape: Shape, device: torch.device | str = "cpu") -> list[dict[str, torch.Tensor]]:
    """What a collator hands to the model: rectangles, on the same tokens and masks as our side."""
    made: list[dict[str, torch.Tensor]] = []
    for step in range(MADE):
        batch = masked(shape, step)
        assert batch.predict_rows is not None and batch.predict_ids is not None
        assert batch.token_type_ids is not None and batch.pair_labels is not None
        labels = torch.full_like(batch.token_ids, -100)
        labels[batch.predict_rows] = batch.predict_ids
        rectangle = (shape.sequences, shape.length)
        its = {
            "input_ids": batch.token_ids.view(rectangle),
            "token_type_ids": batch.token_type_ids.view(rectangle),
            "attention_mask": torch.ones(rectangle, dtype=torch.int64),
            "labels": labels.view(rectangle),
            "next_sentence_label": batch.pair_labels,
        }
        made.append({name: tensor.to(device) for name, tensor in its.items()})
    return made


def measure(
    *,
    shape: dict[str, Any],
    seconds: float,
    precision: str,
    fused: bool,
    dropout: float = DROPOUT,
    compiled: bool = False,
) -> dict[str, Any]:
    """Tokens a second by the median step; peak memory; the loss of the last step."""
    from transformers import BertConfig, BertForPreTraining

    sized = Shape(**shape)
    config = BertConfig(
        vocab_size=sized.vocabulary,
        hidden_size=sized.hidden,
        num_hidden_layers=sized.layers,
        num_attention_heads=sized.heads,
        intermediate_size=4 * sized.hidden,
        max_position_embeddings=max(512, sized.length),
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    device = device_for()
    model = BertForPreTraining(config).train().to(device)  # pyright: ignore[reportArgumentType]
    run: Any = torch.compile(model) if compiled else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01, fused=fused or None)
    given = cycle(batches(sized, device))
    loss = torch.zeros(())

    def step() -> None:
        nonlocal loss
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            loss = run(**next(given)).loss
        loss.backward()  # pyright: ignore[reportUnknownMemberType]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    times = time_steps(step, seconds=seconds)
    return {
        **times.told(sized.tokens),
        "loss": loss.item(),
    }


if __name__ == "__main__":
    told(measure)
