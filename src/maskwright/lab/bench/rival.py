"""The other side: `BertForPreTraining` of `transformers`, trained as its users train it.

Autocast or float32, labels of the whole rectangle with -100 where nothing is predicted, AdamW,
`clip_grad_norm_`; on a GPU also compiled, which with full sequences is a compiled baseline without padding. Its batches
are made beforehand, outside the time; of a corpus they are padded to the longest of each, and of a packed row its
sequences are, one below the other. It runs in a process of its own.
"""

from itertools import cycle
from typing import Any

import torch

from maskwright.batch import Batch
from maskwright.corpus.read import Corpus
from maskwright.lab.bench.clock import time_steps, told
from maskwright.lab.bench.ours import masked
from maskwright.lab.bench.recipes import sized
from maskwright.lab.bench.rectangle import rectangle
from maskwright.lab.bench.shapes import DROPOUT, POSITIONS, Shape
from maskwright.recipes import bert
from maskwright.training.run import device_for

MADE = 8  # batches of full sequences, shown in turn
OF_TEXT = 64
"""The same of text, whose lengths differ from step to step."""


def batches(shape: Shape, corpus: str | None = None, changes: dict[str, Any] | None = None) -> list[Batch]:
    """The same tokens and masks as our side has, step by step.

    changes   of how the recipe lays out the corpus, by dotted key
    """
    if corpus is None:
        return [masked(shape, step) for step in range(MADE)]
    opened = Corpus.open(corpus)
    data = bert.data(sized("bert", corpus, opened.tokenizer.vocab_size, shape, changes=changes), opened)
    return [batch for step in range(OF_TEXT) for batch in data.batches(step)]


def measure(
    *,
    shape: dict[str, Any],
    seconds: float,
    precision: str,
    fused: bool,
    dropout: float = DROPOUT,
    compiled: bool = False,
    corpus: str | None = None,
    changes: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Tokens a second by the median step; peak memory; the loss of the last step; the share of tokens that is text."""
    from transformers import BertConfig, BertForPreTraining

    wanted = Shape(**shape)
    config = BertConfig(
        vocab_size=wanted.vocabulary,
        hidden_size=wanted.hidden,
        num_hidden_layers=wanted.layers,
        num_attention_heads=wanted.heads,
        intermediate_size=4 * wanted.hidden,
        max_position_embeddings=max(POSITIONS, wanted.length),
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    device = device_for()
    model = BertForPreTraining(config).train().to(device)  # pyright: ignore[reportArgumentType]
    run: Any = torch.compile(model) if compiled else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01, fused=fused or None)
    made = batches(wanted, corpus, changes)
    given = cycle([(batch.num_tokens, rectangle(batch, device)) for batch in made])
    loss, tokens = torch.zeros(()), list[int]()

    def step() -> None:
        nonlocal loss
        count, rows = next(given)
        tokens.append(count)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            loss = run(**rows).loss
        loss.backward()  # pyright: ignore[reportUnknownMemberType]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    times = time_steps(step, seconds=seconds)
    computed = sum(batch.num_sequences * batch.max_seqlen for batch in made)
    return {
        **times.told(tokens[-len(times.wall) :]),
        "real": sum(batch.num_tokens for batch in made) / computed,
        "loss": loss.item(),
    }


if __name__ == "__main__":
    told(measure)
