"""New corpora of finished ones: several joined to one, one split into several. Documents stay whole and as they are.

Which part a document goes to is decided by a hash of its text and a seed, so equal documents stay together. What is
held out stays held out; and a training document that another of the joined corpora holds out is left out, or a model
would be judged on what it has learned.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from maskwright.corpus.card import CARD, card
from maskwright.corpus.choice import SPLITS, document_hash
from maskwright.corpus.manifest import (
    MANIFEST,
    Dropped,
    ShardEntry,
    SplitCounts,
    content_fingerprint,
    manifest_bytes,
)
from maskwright.corpus.read import Corpus
from maskwright.corpus.shards import Shard, taken
from maskwright.corpus.writer import EXAMPLES, added, write_shard
from maskwright.draws import key, mixed
from maskwright.durable import staged_folder
from maskwright.errors import BadInput
from maskwright.progress import Progress, silent

LEFT_OUT = "training documents that another corpus holds out"

Which = Callable[[str, npt.NDArray[np.uint64]], npt.NDArray[np.bool_]]
"""(split, hashes (documents,)) -> which of the documents are taken."""


def merge(folders: Sequence[str | Path], out: str | Path, *, progress: Progress = silent) -> Corpus:
    """One corpus of all documents of several, in the order given.

    Raises BadInput where tokenizers, words or languages differ, naming the two folders, and where `out` is taken.
    """
    corpora = [Corpus.open(folder) for folder in folders]
    if len(corpora) < 2:
        raise BadInput("a merge takes two corpora or more")
    for other in corpora[1:]:
        _check_alike(corpora[0], other)
    hashes = [{split: _hashes(corpus, split, progress) for split in SPLITS} for corpus in corpora]
    aside = np.unique(np.concatenate([of["held-out"] for of in hashes]))

    def which(split: str, of: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        return ~np.isin(of, aside) if split == "train" else np.ones(len(of), np.bool_)

    arguments = {"merged": [corpus.fingerprint for corpus in corpora]}
    _write(Path(out), corpora, hashes, which, arguments, LEFT_OUT, progress)
    return Corpus.open(out)


def split(
    folder: str | Path,
    outs: Sequence[str | Path],
    shares: Sequence[float],
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> list[Corpus]:
    """Several corpora of one: `shares` of its documents, as many as there are `outs`, together at most 1.

    Raises BadInput for shares that are none, for an `out` that is taken, and for a part without a training document.
    """
    corpus = Corpus.open(folder)
    if len(outs) != len(shares) or not outs:
        raise BadInput(f"{len(outs)} folders and {len(shares)} shares: give one share for each folder")
    if min(shares) <= 0 or sum(shares) > 1 + 1e-9:
        raise BadInput(f"shares {' '.join(map(str, shares))} are no shares of one whole: above 0, together at most 1")
    if taken_place := next((out for out in outs if Path(out).exists()), None):
        raise BadInput(f"{taken_place} exists already: give another folder, or remove it")
    hashes = [{name: _hashes(corpus, name, progress) for name in SPLITS}]
    bounds = (np.minimum(np.concatenate([[0.0], np.cumsum(shares)]), 1) * 2.0**64).tolist()
    for out, low, high in zip(outs, bounds[:-1], bounds[1:], strict=True):

        def which(name: str, of: npt.NDArray[np.uint64], low: float = low, high: float = high) -> npt.NDArray[np.bool_]:
            place = mixed(of ^ np.uint64(key(seed, "split") & (2**64 - 1))).astype(np.float64)
            return (place >= low) & ((place < high) | (high >= 2.0**64))

        arguments = {"split from": corpus.fingerprint, "share": [low / 2**64, high / 2**64], "seed": seed}
        _write(Path(out), [corpus], hashes, which, arguments, None, progress)
    return [Corpus.open(out) for out in outs]


def _check_alike(one: Corpus, other: Corpus) -> None:
    for what, ours, theirs in (
        ("tokenizer", one.manifest.tokenizer.fingerprint[:12], other.manifest.tokenizer.fingerprint[:12]),
        ("words", one.manifest.words, other.manifest.words),
        ("language", one.manifest.language, other.manifest.language),
        ("pair of languages", ",".join(one.manifest.languages), ",".join(other.manifest.languages)),
    ):
        if ours != theirs:
            raise BadInput(
                f"{one.path} and {other.path} have another {what} ({ours}, {theirs}): "
                "build one of them again with that of the other"
            )


def _hashes(corpus: Corpus, split_name: str, progress: Progress) -> npt.NDArray[np.uint64]:
    """(documents,) a hash of the text of each document."""
    split = corpus.train if split_name == "train" else corpus.held_out
    found = np.empty(split.num_documents, np.uint64)
    with progress.stage(f"Looking at {corpus.path.name}, {split_name}", split.num_documents, "documents") as bar:
        for document in range(split.num_documents):
            found[document] = document_hash(split.document_text(document), 0)[0]
            bar.advance()
    return found


def _write(
    out: Path,
    corpora: Sequence[Corpus],
    hashes: Sequence[dict[str, npt.NDArray[np.uint64]]],
    which: Which,
    arguments: dict[str, Any],
    reason: str | None,
    progress: Progress,
) -> None:
    """The documents that `which` takes, in a new folder; the others are accounted for under `reason`."""
    first = corpora[0]
    entries: list[ShardEntry] = []
    counts = dict.fromkeys(SPLITS, SplitCounts())
    dropped: dict[str, Dropped] = {}
    with (
        staged_folder(out) as folder,
        progress.stage("Writing", sum(len(corpus.manifest.shards) for corpus in corpora), "shards") as bar,
    ):
        for split_name in SPLITS:
            number = 0
            for corpus, of in zip(corpora, hashes, strict=True):
                split = corpus.train if split_name == "train" else corpus.held_out
                begin = 0
                for shard in split.shards:
                    end = begin + len(shard.document_offsets) - 1
                    wanted = which(split_name, of[split_name][begin:end])
                    begin = end
                    bar.advance()
                    if reason and not wanted.all():
                        dropped = added(dropped, {reason: _left_out(shard, ~wanted)})
                    if not wanted.any():
                        continue
                    part = taken(shard, np.flatnonzero(wanted))
                    counts[split_name] = _plus(counts[split_name], _counted(part, corpus.tokenizer.unk_id))
                    entries.append(write_shard(folder / f"{split_name}-{number:05d}-000.arrow", part))
                    number += 1
        if not counts["train"].documents:
            raise BadInput(f"{out} would have no document to train on: give it a larger share")
        shutil.copytree(first.path / "tokenizer", folder / "tokenizer")
        shards = tuple(entries)
        given = first.manifest
        for corpus in corpora:
            dropped = (
                added(corpus.manifest.dropped, dropped) if corpus is first else added(dropped, corpus.manifest.dropped)
            )
        manifest = given.model_copy(
            update={
                "fingerprint": content_fingerprint(given.tokenizer.fingerprint, given.words, shards, given.languages),
                "arguments": arguments,
                "text": f"{key(0, *(corpus.manifest.text for corpus in corpora), str(arguments)):032x}",
                "inputs": "",
                "splits": counts,
                "duplicates": None,
                "dropped": dropped,
                "unknown_examples": tuple(
                    dict.fromkeys(word for corpus in corpora for word in corpus.manifest.unknown_examples)
                )[:EXAMPLES],
                "shards": shards,
            }
        )
        (folder / CARD).write_text(card(manifest), encoding="utf-8")
        (folder / MANIFEST).write_bytes(manifest_bytes(manifest))


def _left_out(shard: Shard, which: npt.NDArray[np.bool_]) -> Dropped:
    part = taken(shard, np.flatnonzero(which))
    names = tuple(str(name) for name in part.names[:EXAMPLES])
    return Dropped(count=int(which.sum()), characters=_counted(part, None).characters, examples=names)


def _counted(shard: Shard, unk_id: int | None) -> SplitCounts:
    return SplitCounts(
        documents=len(shard.document_offsets) - 1,
        sentences=len(shard.sentence_offsets) - 1,
        tokens=len(shard.token_ids),
        words=int(shard.word_starts.sum(dtype=np.int64)),
        characters=sum(len(str(sentence)) for sentence in shard.text),
        unknown=int((shard.token_ids == unk_id).sum()) if unk_id is not None else 0,
    )


def _plus(one: SplitCounts, other: SplitCounts) -> SplitCounts:
    return SplitCounts(**{name: getattr(one, name) + getattr(other, name) for name in SplitCounts.model_fields})
