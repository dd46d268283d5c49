"""A split of a corpus: its shards as one long row of tokens.

Tokens, sentences and documents are numbered from 0 through all shards, so who lays out training examples works with
plain int64 addresses and never sees a file. What is read of a large corpus is read where it is needed: `part` takes
documents into memory, and a few tokens are found among the sentences and documents by halving.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from maskwright.corpus.shards import Array, Shard, check_offsets, damaged

Integers = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
LONG_RANGE = 256  # tokens; from here on copying slices one by one beats indexing token by token


class Split:
    """One logical row of tokens over the shards of a split; sentences and documents are never empty."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self._shards = list(shards)
        self._token_bases = _bases([len(shard.token_ids) for shard in shards])
        self._sentence_bases = _bases([len(shard.sentence_offsets) - 1 for shard in shards])
        self._document_bases = _bases([len(shard.document_offsets) - 1 for shard in shards])

    @staticmethod
    def from_arrays(
        token_ids: Array,
        word_starts: Array,
        sentence_offsets: Array,
        document_offsets: Array,
        names: Sequence[str] | None = None,
        text: Sequence[str] | None = None,
    ) -> "Split":
        """A split in memory, from the same arrays a shard holds.

        >>> ids, starts = np.array([5, 6, 7, 8, 9]), np.array([1, 0, 1, 1, 1])
        >>> split = Split.from_arrays(ids, starts, np.array([0, 2, 3, 5]), np.array([0, 2, 3]))
        >>> split.num_documents, split.num_sentences, split.sentence(2).tolist()
        (2, 3, [8, 9])
        """
        shard = Shard(
            token_ids=np.asarray(token_ids),
            word_starts=np.asarray(word_starts, dtype=np.uint8),
            sentence_offsets=np.asarray(sentence_offsets, dtype=np.int64),
            document_offsets=np.asarray(document_offsets, dtype=np.int64),
            names=names,
            file="arrays in memory",
            text=text,
        )
        if len(shard.token_ids) != len(shard.word_starts):
            raise ValueError(f"{len(shard.token_ids)} tokens but {len(shard.word_starts)} word starts")
        check_offsets(shard)
        return Split([shard] if len(shard.token_ids) else [])

    @property
    def shards(self) -> Sequence[Shard]:
        """The shards, in order."""
        return tuple(self._shards)

    @property
    def num_documents(self) -> int:
        """Documents in the split."""
        return int(self._document_bases[-1])

    @property
    def num_sentences(self) -> int:
        """Sentences in the split."""
        return int(self._sentence_bases[-1])

    @property
    def num_tokens(self) -> int:
        """Tokens in the split, without special tokens."""
        return int(self._token_bases[-1])

    @cached_property
    def document_offsets(self) -> Integers:
        """(num_documents + 1,) int64, where documents begin and end among the sentences."""
        return self._joined([shard.document_offsets for shard in self._shards], self._sentence_bases)

    @cached_property
    def sentence_offsets(self) -> Integers:
        """(num_sentences + 1,) int64, where sentences begin and end among the tokens."""
        return self._joined([shard.sentence_offsets for shard in self._shards], self._token_bases)

    @cached_property
    def document_starts(self) -> Integers:
        """(num_documents + 1,) int64, where documents begin and end among the tokens.

        Read shard by shard: of a large corpus sentences take ten times the memory.
        """
        for shard in self._shards:
            check_offsets(shard)
        found = [
            shard.sentence_offsets[shard.document_offsets[:-1]] + base
            for shard, base in zip(self._shards, self._token_bases[:-1], strict=True)
        ]
        return np.concatenate([*found, self._token_bases[-1:]]).astype(np.int64, copy=False)

    def before(self, documents: Integers) -> tuple[Integers, Integers]:
        """Tokens and sentences before each of these documents; num_documents stands for the end. Nothing else is read.

        >>> split = Split.from_arrays(np.arange(5), np.ones(5), np.array([0, 2, 3, 5]), np.array([0, 2, 3]))
        >>> [row.tolist() for row in split.before(np.array([0, 1, 2]))]
        [[0, 3, 5], [0, 2, 3]]
        """
        tokens, sentences = np.empty_like(documents), np.empty_like(documents)
        at = np.minimum(np.searchsorted(self._document_bases, documents, side="right") - 1, len(self._shards) - 1)
        for i in np.unique(at).tolist():
            here, shard = at == i, self._shards[i]
            sentence = shard.document_offsets[documents[here] - self._document_bases[i]]
            sentences[here] = sentence + self._sentence_bases[i]
            tokens[here] = shard.sentence_offsets[sentence] + self._token_bases[i]
        return tokens, sentences

    def document_from(self, tokens: Integers) -> Integers:
        """The first document that begins at each of these tokens or behind it; num_documents where none does.

        Found by halving, so that next to nothing is read.

        >>> split = Split.from_arrays(np.arange(5), np.ones(5), np.array([0, 2, 3, 5]), np.array([0, 2, 3]))
        >>> split.document_from(np.array([0, 1, 3, 4])).tolist()
        [0, 1, 1, 2]
        """
        tokens = np.asarray(tokens, dtype=np.int64)
        found = np.full(len(tokens), self.num_documents)
        at = np.searchsorted(self._token_bases, tokens, side="right") - 1
        for i in np.unique(at[at < len(self._shards)]).tolist():
            shard, here = self._shards[i], at == i
            # of the offsets' own type: others would be copied whole
            local = (tokens[here] - self._token_bases[i]).astype(shard.sentence_offsets.dtype)
            sentence = np.searchsorted(shard.sentence_offsets, local).astype(shard.document_offsets.dtype)
            found[here] = self._document_bases[i] + np.searchsorted(shard.document_offsets, sentence)
        return found

    def sentences_at(self, tokens: Integers) -> tuple[Integers, Integers, Integers]:
        """(N,) each: the sentence in which each token stands, and where it begins and ends among the tokens.

        Of a run of neighbours the first and the last are looked for.

        >>> split = Split.from_arrays(np.arange(5), np.ones(5), np.array([0, 2, 3, 5]), np.array([0, 2, 3]))
        >>> [row.tolist() for row in split.sentences_at(np.array([4, 0, 2]))]
        [[2, 0, 1], [3, 0, 2], [5, 2, 3]]
        """
        begins, lengths = runs(tokens)
        first_token, end_token = tokens[begins], tokens[begins] + lengths
        first, last = self._sentence_of(np.concatenate([first_token, end_token - 1])).reshape(2, -1)
        counts = last - first + 1
        numbers = np.repeat(first - _bases(counts)[:-1], counts) + np.arange(counts.sum())
        begin, end = self._sentence_bounds(numbers)
        inside = np.minimum(end, np.repeat(end_token, counts)) - np.maximum(begin, np.repeat(first_token, counts))
        return np.repeat(numbers, inside), np.repeat(begin, inside), np.repeat(end, inside)

    def _sentence_of(self, tokens: Integers) -> Integers:
        """The sentence in which each token stands."""
        order = np.argsort(tokens)  # neighbours are found by looking at the same places
        ordered, found = tokens[order], np.empty_like(tokens)
        bounds = np.searchsorted(ordered, self._token_bases)
        for i in np.flatnonzero(np.diff(bounds)).tolist():
            offsets, here = self._shards[i].sentence_offsets, slice(*bounds[i : i + 2])
            local = (ordered[here] - self._token_bases[i]).astype(offsets.dtype)
            found[order[here]] = np.searchsorted(offsets, local, side="right") - 1 + self._sentence_bases[i]
        return found

    def _sentence_bounds(self, sentences: Integers) -> tuple[Integers, Integers]:
        """Where each sentence begins and ends among the tokens."""
        begin, end = np.empty_like(sentences), np.empty_like(sentences)
        at = np.searchsorted(self._sentence_bases, sentences, side="right") - 1
        for i in np.unique(at).tolist():
            here, offsets = np.flatnonzero(at == i), self._shards[i].sentence_offsets
            local = sentences[here] - self._sentence_bases[i]
            begin[here] = offsets[local] + self._token_bases[i]
            end[here] = offsets[local + 1] + self._token_bases[i]
        return begin, end

    def part(self, firsts: Integers, ends: Integers, *, tokens: bool = True) -> "Split":
        """A split of its own, in memory: documents [first, end) of each range, one after the other, without their text.

        What is read is read once, in the order of the files; nothing else of them is looked at.

        tokens   False: where sentences and documents begin is all that is wanted; all ids are 0

        >>> split = Split.from_arrays(np.arange(5), np.ones(5), np.array([0, 2, 3, 5]), np.array([0, 1, 2, 3]))
        >>> split.part(np.array([2, 0]), np.array([3, 1])).sentence(0).tolist()
        [3, 4]
        """
        pieces = [
            piece
            for first, end in zip(firsts.tolist(), ends.tolist(), strict=True)
            for piece in self._pieces(first, end)
        ]
        sizes = [len(piece.token_ids) for piece in pieces]
        if not pieces:
            return Split([])
        if tokens:
            token_ids = np.concatenate([piece.token_ids for piece in pieces])
            word_starts = np.concatenate([piece.word_starts for piece in pieces])
        else:
            token_ids = np.broadcast_to(np.uint16(0), sum(sizes))
            word_starts = np.broadcast_to(np.uint8(0), sum(sizes))
        sentences = [len(piece.sentence_offsets) - 1 for piece in pieces]
        return Split(
            [
                Shard(
                    token_ids=token_ids,
                    word_starts=word_starts,
                    sentence_offsets=_chained([piece.sentence_offsets for piece in pieces], _bases(sizes)),
                    document_offsets=_chained([piece.document_offsets for piece in pieces], _bases(sentences)),
                    names=None,
                    file="a part of the corpus, in memory",
                )
            ]
        )

    def _pieces(self, first: int, end: int) -> Iterator[Shard]:
        """Documents [first, end) as views of the shards they lie in. BadInput where their bounds are impossible."""
        while first < end:
            at = self._locate(first, self._document_bases, "document")
            shard, base = self._shards[at], int(self._document_bases[at])
            last = min(end, int(self._document_bases[at + 1]))
            documents = shard.document_offsets[first - base : last - base + 1]
            sentences = shard.sentence_offsets[max(0, documents[0]) : max(0, documents[-1]) + 1]
            if len(sentences) == 0:
                raise damaged(shard.file, "has impossible document boundaries")
            tokens = slice(max(0, sentences[0]), max(0, sentences[-1]))
            piece = shard._replace(
                token_ids=shard.token_ids[tokens],
                word_starts=shard.word_starts[tokens],
                sentence_offsets=sentences - sentences[0],
                document_offsets=documents - documents[0],
                names=None,
                text=None,
            )
            check_offsets(piece)
            yield piece
            first = last

    def _joined(self, offsets: list[Array], bases: Integers) -> Integers:
        for shard in self._shards:
            check_offsets(shard)
        return _chained(offsets, bases)

    def sentence(self, i: int) -> Array:
        """The token ids of sentence `i`: a view of the file, nothing is copied."""
        at = self._locate(i, self._sentence_bases, "sentence")
        shard, local = self._shards[at], i - int(self._sentence_bases[at])
        return shard.token_ids[int(shard.sentence_offsets[local]) : int(shard.sentence_offsets[local + 1])]

    def text(self, i: int) -> str:
        """The text of sentence `i`, as it was when it was tokenised; "" where there is none."""
        at = self._locate(i, self._sentence_bases, "sentence")
        text, local = self._shards[at].text, i - int(self._sentence_bases[at])
        return "" if text is None else str(text[local])

    def document_text(self, document: int) -> list[str]:
        """The sentences of document `document`."""
        at = self._locate(document, self._document_bases, "document")
        shard, local = self._shards[at], document - int(self._document_bases[at])
        first, end = int(shard.document_offsets[local]), int(shard.document_offsets[local + 1])
        return [] if shard.text is None else [str(shard.text[i]) for i in range(first, end)]

    def document_name(self, document: int) -> str:
        """Where document `document` came from."""
        at = self._locate(document, self._document_bases, "document")
        names, local = self._shards[at].names, document - int(self._document_bases[at])
        return "" if names is None else str(names[local])

    @staticmethod
    def _locate(i: int, bases: Integers, what: str) -> int:
        if not 0 <= i < bases[-1]:
            raise IndexError(f"no {what} {i}: there are {bases[-1]}")
        return int(np.searchsorted(bases, i, side="right")) - 1

    def gather(self, starts: Integers, lengths: Integers) -> tuple[Integers, Bytes]:
        """Token ranges [start, start + length) one after the other, in the order given.

        starts, lengths  (N,) integers; ranges may overlap, be empty, and run across shards
        returns          token_ids (T,) int64 and word_starts (T,) uint8, T = lengths.sum()
        """
        starts, lengths = np.asarray(starts, dtype=np.int64), np.asarray(lengths, dtype=np.int64)
        if starts.ndim != 1 or starts.shape != lengths.shape:
            raise ValueError(f"starts {starts.shape} and lengths {lengths.shape} are not one row each, of equal length")
        if not len(starts) or not self._shards:
            if lengths.any():
                raise IndexError("the split is empty")
            return np.zeros(0, np.int64), np.zeros(0, np.uint8)
        if starts.min() < 0 or lengths.min() < 0 or (starts + lengths).max() > self.num_tokens:
            raise IndexError(f"a range reaches outside the {self.num_tokens} tokens of the split")
        if len(self._shards) == 1:
            return _ranges(self._shards[0], starts, lengths)
        return self._gather_many(*_cut_at(self._token_bases, starts, lengths))

    def _gather_many(self, starts: Integers, lengths: Integers, at: Integers) -> tuple[Integers, Bytes]:
        """Ranges that each lie in one shard, shard by shard, then put back in the order given."""
        if lengths.sum() >= LONG_RANGE * len(starts):
            return _copied([self._shards[i] for i in at.tolist()], starts - self._token_bases[at], lengths)
        order = np.argsort(at, kind="stable")
        bounds = np.searchsorted(at[order], np.arange(len(self._shards) + 1))
        parts = [
            _ranges(shard, starts[mine] - base, lengths[mine])
            for shard, base, first, end in zip(
                self._shards, self._token_bases[:-1], bounds[:-1], bounds[1:], strict=True
            )
            if len(mine := order[first:end])
        ]
        if len(parts) == 1:
            return parts[0]
        token_ids = np.concatenate([part[0] for part in parts])
        word_starts = np.concatenate([part[1] for part in parts])
        if (np.diff(order) > 0).all():
            return token_ids, word_starts
        grouped = np.empty_like(starts)
        grouped[order] = _bases(lengths[order])[:-1]
        return _ranges(Shard(token_ids, word_starts, grouped, grouped, None, ""), grouped, lengths)


def runs(numbers: Integers, step: int = 1) -> tuple[Integers, Integers]:
    """Where runs begin in which each number is the one before and `step`, and how long they are.

    >>> runs(np.array([3, 4, 5, 9, 8]))
    (array([0, 3, 4]), array([3, 1, 1]))
    """
    begins = np.flatnonzero(np.diff(numbers, prepend=numbers[:1]) != step)
    return begins, np.diff(begins, append=len(numbers))


def _bases(sizes: Sequence[int] | Integers) -> Integers:
    """Where each part begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(np.asarray(sizes, dtype=np.int64))]).astype(np.int64)


def _chained(offsets: Sequence[Array], bases: Integers) -> Integers:
    """The offsets of several parts as those of all of them, one after the other."""
    joined = [part[:-1] + base for part, base in zip(offsets, bases[:-1], strict=True)]
    return np.concatenate([*joined, bases[-1:]]).astype(np.int64, copy=False)


def _cut_at(bases: Integers, starts: Integers, lengths: Integers) -> tuple[Integers, Integers, Integers]:
    """Ranges cut where shards meet, with the shard of each. Few are cut, so that part may loop."""
    at = np.minimum(np.searchsorted(bases, starts, side="right") - 1, len(bases) - 2)
    while (crossing := np.flatnonzero(starts + lengths > bases[at + 1])).size:
        inside = bases[at[crossing] + 1] - starts[crossing]
        rest = lengths[crossing] - inside
        lengths = lengths.copy()
        lengths[crossing] = inside
        starts = np.insert(starts, crossing + 1, bases[at[crossing] + 1])
        lengths = np.insert(lengths, crossing + 1, rest)
        at = np.insert(at, crossing + 1, at[crossing] + 1)
    return starts, lengths, at


def _ranges(shard: Shard, starts: Integers, lengths: Integers) -> tuple[Integers, Bytes]:
    """Ranges of one shard, one after the other."""
    ends = np.cumsum(lengths)
    total = int(ends[-1])
    if total >= LONG_RANGE * len(starts):
        return _copied([shard] * len(starts), starts, lengths)
    rows = np.repeat(starts - (ends - lengths), lengths)
    rows += np.arange(total)
    # mode="clip" skips a second check of what `gather` has checked, and its buffer
    token_ids: Array = shard.token_ids.take(rows, mode="clip")
    return token_ids.astype(np.int64, copy=False), shard.word_starts.take(rows, mode="clip")


def _copied(shards: Sequence[Shard], starts: Integers, lengths: Integers) -> tuple[Integers, Bytes]:
    """Ranges, each of its own shard, slice by slice."""
    total = int(lengths.sum())
    token_ids, word_starts = np.empty(total, np.int64), np.empty(total, np.uint8)
    first = 0
    for shard, start, length in zip(shards, starts.tolist(), lengths.tolist(), strict=True):
        token_ids[first : first + length] = shard.token_ids[start : start + length]
        word_starts[first : first + length] = shard.word_starts[start : start + length]
        first += length
    return token_ids, word_starts
