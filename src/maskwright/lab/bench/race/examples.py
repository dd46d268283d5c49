"""What a race is run on: the rival's blocks, and the test that is the same for both sides.

Blocks are made as `run_mlm.py` of transformers makes them (without `--line_by_line`): every text becomes
[CLS] text [SEP], a thousand of them are put one behind the other and cut every 128 tokens, and what is left over is
dropped. The ids are the corpus's own, which are those of the stock tokenizer.

The test is held-out text with BERT's masks (15 %, of these 80/10/10), laid out in two ways, of which neither is to
decide alone: `blocks`, cut as the rival's training text is, and `sentences`, [CLS] sentences [SEP] of one document, as
ours is. Who has learned on one of the two is a little better at it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from maskwright import durable
from maskwright.batch import Batch, Integers, Sequences, cut, flat_batch
from maskwright.corpus.read import Corpus, Split
from maskwright.draws import words
from maskwright.errors import BadInput
from maskwright.objectives.masked_lm import MasksConfig, mask_sequences
from maskwright.objectives.masked_sequences import MaskedSequences
from maskwright.objectives.packed_sentences import PackedSentences
from maskwright.objectives.stream import Stream

TEXTS = 1_000  # that `datasets.map` hands on at a time
LENGTH = 128
HELD_OUT = 1_024
"""Sequences of each kind of test, at most."""
SCORED = 32
"""Of them at a time."""
KINDS = ("sentences", "blocks")


def blocks(split: Split, *, cls_id: int, sep_id: int, length: int = LENGTH) -> npt.NDArray[np.int32]:
    """(blocks, length) token ids, as run_mlm cuts them."""
    ends = split.sentence_offsets[split.document_offsets]
    made = [np.zeros((0, length), np.int32)]
    for first in range(0, split.num_documents, TEXTS):
        bounds = ends[first : first + TEXTS + 1]
        sizes = np.diff(bounds)
        ids = split.gather(bounds[:1], bounds[-1:] - bounds[:1])[0].astype(np.int32)
        places = bounds - bounds[0]
        row = np.insert(ids, np.repeat(places, 2)[1:-1], np.tile([cls_id, sep_id], len(sizes)))
        made.append(row[: len(row) // length * length].reshape(-1, length))
    return np.concatenate(made)


def _blocks_masked(split: Split, corpus: Corpus, most: int, length: int) -> list[Batch]:
    """The test's blocks, hidden as `MaskedSequences.held_out` hides."""
    tokenizer = corpus.tokenizer
    assert tokenizer.cls_id is not None and tokenizer.sep_id is not None and tokenizer.mask_id is not None
    rows = blocks(split, cls_id=tokenizer.cls_id, sep_id=tokenizer.sep_id, length=length)
    if len(rows) > most:
        rows = rows[np.arange(most) * len(rows) // most]  # from everywhere: they are in the order of the text
    made: list[Batch] = []
    for place, first in enumerate(range(0, len(rows), SCORED)):
        ids = rows[first : first + SCORED].astype(np.int64)
        flat = ids.ravel()
        sequences = Sequences(
            token_ids=flat,
            token_type_ids=np.zeros_like(flat),
            cu_seqlens=np.arange(len(ids) + 1) * length,
            special=np.isin(flat, [tokenizer.cls_id, tokenizer.sep_id]),
        )
        keys = words(len(ids), 0, "held-out masks", place)
        made.append(mask_sequences(sequences, keys, mask_id=tokenizer.mask_id, random_ids=tokenizer.vocab_size))
    return made


def _sentences_masked(split: Split, corpus: Corpus, most: int, length: int) -> list[Batch]:
    tokenizer = corpus.tokenizer
    assert tokenizer.cls_id is not None and tokenizer.sep_id is not None
    layout = PackedSentences(
        cls_id=tokenizer.cls_id, sep_id=tokenizer.sep_id, max_length=length, across_documents=False
    )
    stream = Stream[Any](split, layout, seed=0, dupe_factor=1)
    data = MaskedSequences(
        [], [stream], tokenizer, MasksConfig(),
        batch_sequences=SCORED, micro_sequences=SCORED, held_out_sequences=most, seed=0, steps=1,
    )  # fmt: skip
    return list(data.held_out())


def make_examples(corpus: Corpus, path: Path, *, held_out: int = HELD_OUT, length: int = LENGTH) -> dict[str, int]:
    """Write blocks and test into a file; how many of each there are.

    Raises BadInput for a corpus that is too small, or whose tokenizer has not the special tokens.
    """
    tokenizer = corpus.tokenizer
    if tokenizer.cls_id is None or tokenizer.sep_id is None or tokenizer.mask_id is None:
        raise BadInput(f"{corpus.path} was made with a tokenizer of kind {tokenizer.kind}: a race takes wordpiece")
    train = blocks(corpus.train, cls_id=tokenizer.cls_id, sep_id=tokenizer.sep_id, length=length)
    tests = {
        "sentences": _sentences_masked(corpus.held_out, corpus, held_out, length) if corpus.held_out.num_tokens else [],
        "blocks": _blocks_masked(corpus.held_out, corpus, held_out, length),
    }
    for what, count in {"to train on": len(train), "held out": len(tests["blocks"])}.items():
        if not count:
            raise BadInput(f"{corpus.path} has no {length} tokens {what}: a race takes a larger corpus")
    arrays: dict[str, Any] = {"train": train}
    for kind, batches in tests.items():
        arrays |= {f"{kind}.{name}": array for name, array in _joined(batches).items()}
    with durable.staged_file(path) as file:
        np.savez(file, **arrays)
    return {"train": len(train), **{kind: sum(b.num_sequences for b in batches) for kind, batches in tests.items()}}


def _joined(batches: list[Batch]) -> dict[str, Integers]:
    token_ids, rows, ids, lengths = list[Any](), list[Any](), list[Any](), list[Any]()
    base = 0
    for batch in batches:
        assert batch.predict_rows is not None and batch.predict_ids is not None
        token_ids.append(batch.token_ids.numpy())
        rows.append(batch.predict_rows.numpy() + base)
        ids.append(batch.predict_ids.numpy())
        lengths.append(batch.cu_seqlens.diff().numpy())
        base += batch.num_tokens
    return {
        "token_ids": np.concatenate(token_ids),
        "predict_rows": np.concatenate(rows),
        "predict_ids": np.concatenate(ids),
        "lengths": np.concatenate(lengths),
    }


def train_blocks(path: Path) -> npt.NDArray[np.int32]:
    """The rival's blocks."""
    with np.load(path, allow_pickle=False) as arrays:
        return arrays["train"]


def tests(path: Path) -> Mapping[str, list[Batch]]:
    """The test's batches by kind, all of segment 0."""
    found: dict[str, list[Batch]] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for kind in KINDS:
            token_ids = arrays[f"{kind}.token_ids"]
            joined = flat_batch(
                token_ids,
                np.concatenate([[0], np.cumsum(arrays[f"{kind}.lengths"], dtype=np.int64)]),
                np.zeros_like(token_ids),
                predict_rows=arrays[f"{kind}.predict_rows"],
                predict_ids=arrays[f"{kind}.predict_ids"],
            )
            found[kind] = cut(joined, SCORED)
    return found
