"""A corpus of as many tokens as wanted, drawn, and written as `maskwright corpus` would: for `bench scale`.

Real text of a billion tokens takes hours to fetch and to tokenise; what the speed of reading depends on are lengths
and sizes, and these are as in text. Sentences are log-normal with the mean and the spread of the English sample's
(27 tokens), documents have 20 of them on average, as articles of an encyclopedia; an id is the rarer the larger it is
(Zipf's law), nine tokens in ten begin a word, and each has 4.4 bytes of text beside it.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from maskwright.corpus.build import SHARD_TOKENS
from maskwright.corpus.manifest import (
    MANIFEST,
    Manifest,
    ShardEntry,
    SplitCounts,
    TokenizerEntry,
    content_fingerprint,
    manifest_bytes,
)
from maskwright.corpus.shards import Shard, token_type
from maskwright.corpus.writer import write_shard
from maskwright.draws import generator
from maskwright.durable import staged_folder
from maskwright.progress import Progress, silent
from maskwright.tokenizers.tokenizer import Tokenizer

HELD_OUT = 0.05  # what `maskwright corpus` keeps aside
SENTENCE = (3.0, 0.78)  # mean and deviation of the logarithm
DOCUMENT = (2.5, 1.0)
WORD = 230  # of 256 tokens begin a word
BYTES = 4.4  # of text, a token


class _Written(NamedTuple):
    entry: ShardEntry
    words: int
    characters: int


def write_corpus(
    folder: str | Path,
    tokens: int,
    tokenizer: Tokenizer,
    *,
    seed: int = 0,
    shard_tokens: int = SHARD_TOKENS,
    progress: Progress = silent,
) -> None:
    """A corpus of about so many tokens (to a document's length) in the new folder `folder`; 7.5 bytes a token."""
    wanted = {"train": tokens - round(HELD_OUT * tokens), "held-out": round(HELD_OUT * tokens)}
    written: dict[str, list[_Written]] = {split: [] for split in wanted}
    with (
        staged_folder(folder) as place,
        progress.stage(f"drawing {tokens:,} tokens", tokens, "tokens") as bar,
    ):
        for split, left in wanted.items():
            while left > 0 and (left >= shard_tokens // 100 or not written[split]):
                number = len(written[split])
                shard = _drawn(min(left, shard_tokens), tokenizer, generator(seed, split, number), f"{split}-{number}")
                written[split].append(_write(place / f"{split}-{number:05d}-000.arrow", shard))
                left -= len(shard.token_ids)
                bar.advance(len(shard.token_ids))
        (place / "tokenizer").mkdir()
        tokenizer.save_into(place / "tokenizer")
        (place / MANIFEST).write_bytes(manifest_bytes(_manifest(written, tokenizer, tokens, seed)))


def _drawn(tokens: int, tokenizer: Tokenizer, draws: np.random.Generator, name: str) -> Shard:
    """A shard of whole documents, with about so many tokens."""
    about = np.exp(SENTENCE[0] + SENTENCE[1] ** 2 / 2)
    lengths = np.maximum(1, draws.lognormal(*SENTENCE, int(tokens / about * 1.1) + 8).astype(np.int64))
    lengths = lengths[: max(1, int(np.searchsorted(np.cumsum(lengths), tokens, side="right")))]
    counts = np.maximum(1, draws.lognormal(*DOCUMENT, len(lengths)).astype(np.int64))
    ends = np.unique(np.minimum(np.cumsum(counts), len(lengths)))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    total = int(offsets[-1])
    first = int(tokenizer.special_ids.max()) + 1
    ids = first + np.exp(draws.random(total, np.float32) * np.float32(np.log(tokenizer.vocab_size - first)))
    starts = (np.frombuffer(draws.bytes(total), np.uint8) < WORD).astype(np.uint8)
    starts[offsets[:-1]] = 1
    return Shard(
        token_ids=np.minimum(ids, tokenizer.vocab_size - 1).astype(token_type(tokenizer.vocab_size)),
        word_starts=starts,
        sentence_offsets=offsets,
        document_offsets=np.concatenate([[0], ends]),
        names=[f"{name}-{document}" for document in range(len(ends))],
        file="",
        text=_text((offsets * BYTES).astype(np.int64)),
    )


def _text(ends: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Any:
    """Sentences of so many bytes each, one after the other."""
    line = np.frombuffer(b"the quick brown fox jumps over the lazy dog and on ", np.uint8)
    return pa.LargeStringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(np.resize(line, ends[-1])))  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportAttributeAccessIssue]


def _write(path: Path, shard: Shard) -> _Written:
    words, characters = int(shard.word_starts.sum()), int(len(shard.token_ids) * BYTES)
    return _Written(write_shard(path, shard), words, characters)


def _manifest(written: dict[str, list[_Written]], tokenizer: Tokenizer, tokens: int, seed: int) -> Manifest:
    shards = tuple(one.entry for of_split in written.values() for one in of_split)
    words = "pre-tokenizer"
    splits: Any = {
        split: SplitCounts(
            documents=sum(one.entry.documents for one in of_split),
            sentences=sum(one.entry.sentences for one in of_split),
            tokens=sum(one.entry.tokens for one in of_split),
            words=sum(one.words for one in of_split),
            characters=sum(one.characters for one in of_split),
        )
        for split, of_split in written.items()
    }
    return Manifest(
        fingerprint=content_fingerprint(tokenizer.fingerprint, words, shards),
        language="en",
        arguments={"drawn": tokens, "seed": seed},
        tokenizer=TokenizerEntry(
            fingerprint=tokenizer.fingerprint, vocab_size=tokenizer.vocab_size, kind=tokenizer.kind
        ),
        words=words,
        splits=splits,
        shards=shards,
    )
