"""The two stages of a build: reading, which cleans text and finds its sentences, and encoding, which makes shards.

Between them stands what needs all documents at once: `choice` and the training of a vocabulary.
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import numpy as np

from maskwright.corpus.choice import HELD_OUT, SPLITS, TRAIN, document_hash
from maskwright.corpus.encode import EXAMPLES, Encoder
from maskwright.corpus.engines import Stage
from maskwright.corpus.manifest import Dropped, sealed
from maskwright.corpus.records import EncodeResult, ReadResult, Settings
from maskwright.corpus.spool import BATCH, Spooled, SpoolWriter, read_batches, texts
from maskwright.corpus.work import WorkFolder
from maskwright.corpus.writer import ShardWriter
from maskwright.durable import staged_file, write_file
from maskwright.text.cleaning.account import Account
from maskwright.text.cleaning.changes import Cleaned
from maskwright.text.cleaning.cleaner import Cleaner
from maskwright.text.cleaning.duplicates import digest
from maskwright.text.cleaning.minhash import MinHash
from maskwright.text.documents import Document, Lines
from maskwright.text.parallel import is_chinese
from maskwright.text.readers import lines_of, sentences_of_lines
from maskwright.text.words import find_segmenter
from maskwright.tokenizers.loading import load_tokenizer


class Read(NamedTuple):
    """Documents of a unit, cleaned, with their sentences found, into a spool."""

    work: Path
    name: str = "Reading"
    unit: str = "bytes"

    def sizes(self) -> list[int]:
        """Bytes of each unit as they lie on disk."""
        return [unit.size for unit in WorkFolder(self.work).units]

    def remaining(self) -> list[int]:
        """As `Stage.remaining`."""
        work = WorkFolder(self.work)
        return [task for task, unit in enumerate(work.units) if not work.account(unit).exists()]

    def is_done(self, task: int) -> bool:
        """As `Stage.is_done`."""
        work = WorkFolder(self.work)
        return work.account(work.unit(task)).exists()

    def run(self, task: int) -> Iterator[int]:
        """As `Stage.run`."""
        work = WorkFolder(self.work)
        unit, settings = work.unit(task), work.plan.settings
        spool = work.spool(unit)
        documents = characters = empty = 0
        named: list[str] = []  # the first of the empty ones
        account = Account()
        cleaned: list[Cleaned] = []
        prepare = Prepare(settings)
        waiting = 0
        with staged_file(spool) as file:
            hashing = _Hashing(file)
            with SpoolWriter(cast(BinaryIO, hashing), digests=prepare.digests, width=prepare.width) as writer:
                for raw in unit.documents(settings.language):
                    waiting += len(raw.text.encode("utf-8", "surrogatepass"))
                    lines = lines_of(raw, settings.language)
                    if not lines.lines:
                        empty += 1
                        named += [raw.source] if empty <= EXAMPLES else []
                    elif document := prepare(lines, raw.source, cleaned):
                        documents += 1
                        characters += document.characters
                        writer.add(document)
                    if waiting >= BATCH:
                        account += Account.of(cleaned)
                        cleaned.clear()
                        yield waiting
                        waiting = 0
        result = ReadResult(
            documents=documents,
            characters=characters,
            spool=hashing.digest.hexdigest(),
            account=account + Account.of(cleaned),
            empty=Dropped(count=empty, examples=tuple(named)),
        )
        write_file(work.account(unit), sealed(result.model_dump(mode="json")))

    def __call__(self, data: object = None, rank: int = 0, world_size: int = 1) -> Iterator[int]:
        """As `Stage.__call__`."""
        return self.run(rank)


class Prepare:
    """Makes of the lines of a document one that is ready to be tokenised."""

    def __init__(self, settings: Settings) -> None:
        cleaning = settings.cleaning
        self._language, self._seed = settings.language, settings.seed
        self._clean = Cleaner(cleaning, settings.language)
        self._min_hash = None
        self.digests = cleaning.duplicates != "none"
        self.width = cleaning.near_bands * cleaning.near_rows if cleaning.duplicates == "near" else 0
        if self.width:
            self._min_hash = MinHash(cleaning.near_ngram, self.width)

    def __call__(self, lines: Lines, source: str, account: list[Cleaned]) -> Spooled | None:
        """None where nothing is left of it; what cleaning did is added to `account`."""
        cleaned = self._clean(lines.lines)
        account.append(cleaned)
        if not (sentences := sentences_of_lines(lines._replace(lines=cleaned.lines), self._language)):
            return None
        return Spooled(
            sentences,
            source,
            *document_hash(sentences, self._seed),
            digest=digest(cleaned.lines) if self.digests else None,
            signature=self._min_hash.signature(cleaned.lines) if self._min_hash else None,
        )


class Encode(NamedTuple):
    """Documents of a unit, tokenised, into shards: those to train on and those held out."""

    work: Path
    name: str = "Encoding"
    unit: str = "characters"

    def sizes(self) -> list[int]:
        """Characters of each unit."""
        work = WorkFolder(self.work)
        return [work.read_result(unit).characters for unit in work.units]

    def remaining(self) -> list[int]:
        """As `Stage.remaining`."""
        work = WorkFolder(self.work)
        return [task for task in range(len(work.units)) if not work.encoded(task).exists()]

    def is_done(self, task: int) -> bool:
        """As `Stage.is_done`."""
        return WorkFolder(self.work).encoded(task).exists()

    def run(self, task: int) -> Iterator[int]:
        """As `Stage.run`."""
        work = WorkFolder(self.work)
        settings = work.plan.settings
        made = (work.tokenizer / "tokenizer.json").stat()
        encoder = _encoder(
            work.tokenizer,
            (made.st_ino, made.st_mtime_ns),
            settings.segmenter,
            settings.dictionary,
            tuple(map(is_chinese, settings.languages)),
        )
        writers = {
            fate: ShardWriter(self.work, SPLITS[fate], task, settings.shard_tokens) for fate in (TRAIN, HELD_OUT)
        }
        fates = work.fates(task)
        for first, batch in read_batches(work.checked_spool(work.unit(task))):
            of_batch = fates[first : first + batch.num_rows]
            for fate, writer in writers.items():
                if len(rows := np.flatnonzero(of_batch == fate)):
                    writer.add(encoder([Document(*pair) for pair in texts(batch, rows.tolist())]))
            yield int(batch.column("characters").to_numpy().sum(dtype=np.int64))
        result = EncodeResult(splits={SPLITS[fate]: writer.close() for fate, writer in writers.items()})
        write_file(work.encoded(task), sealed(result.model_dump(mode="json")))

    def __call__(self, data: object = None, rank: int = 0, world_size: int = 1) -> Iterator[int]:
        """As `Stage.__call__`."""
        return self.run(rank)


@lru_cache(maxsize=1)
def _encoder(
    tokenizer: Path, made: tuple[int, int], segmenter: str | None, dictionary: str | None, chinese: tuple[bool, ...]
) -> Encoder:
    """The encoder of a process for all its units, as it knows what it has looked up; `made` tells files apart."""
    found = find_segmenter(segmenter, dictionary) if segmenter else None
    if not chinese:
        return Encoder(load_tokenizer(tokenizer), found)
    # Asked for where neither side is Chinese, it is for both.
    sides = [found if one or not any(chinese) else None for one in chinese]
    return Encoder(load_tokenizer(tokenizer), *sides)


def stage_called(name: str, work: Path) -> Stage:
    """The stage that says it is called `name`."""
    return {stage.name: stage for stage in (Read(work), Encode(work))}[name]


class _Hashing:
    """A file that is hashed while it is written."""

    def __init__(self, file: BinaryIO) -> None:
        self.digest = hashlib.sha256()
        self._file = file
        self.closed = False

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._file.write(data)

    def writable(self) -> bool:
        return True

    def flush(self) -> None:
        self._file.flush()
