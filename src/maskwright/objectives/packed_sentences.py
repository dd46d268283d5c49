"""Whole sentences up to the full length, without pairs: RoBERTa's FULL-SENTENCES and DOC-SENTENCES.

RoBERTa (Liu et al. 2019, arXiv 1907.11692, section 4.2): sentences of a document fill a sequence as long as they fit.
FULL-SENTENCES go on into the next document, with one more [SEP] between the two; DOC-SENTENCES end with the document,
which is also how SpanBERT is trained (arXiv 1907.10529, section 3.3). As fairseq's `TokenBlockDataset` with the break
modes `complete` and `complete_doc`, with two differences that lose nothing: a sentence longer than a sequence is cut
into even parts instead of overflowing, and blocks of a single token are kept.
"""

from typing import NamedTuple

import numpy as np

from maskwright.batch import Integers, Sequences
from maskwright.corpus.read import Split
from maskwright.errors import BadInput
from maskwright.objectives import segments

SPECIALS = 2  # [CLS] ... [SEP]


class Packed(NamedTuple):
    """Sequences, one row each: where they start, and how many tokens they have, special ones not counted."""

    start: Integers
    length: Integers


class PackedSentences:
    """Sequences of whole sentences as a layout of a `Stream`. Every token of the documents comes once an epoch.

    cls_id, sep_id     special tokens
    max_length         tokens of a sequence, special tokens included; at least 3
    across_documents   FULL-SENTENCES if true, else DOC-SENTENCES
    """

    name = "packed"

    def __init__(self, *, cls_id: int, sep_id: int, max_length: int = 512, across_documents: bool) -> None:
        if max_length < SPECIALS + 1:
            raise BadInput(f"max_length {max_length} leaves no room for text: [CLS] token [SEP] has 3 tokens")
        self.cls_id, self.sep_id = cls_id, sep_id
        self.max_length, self.across_documents = max_length, across_documents

    def check(self, split: Split) -> None:
        """Any split will do."""

    def plan(self, split: Split, documents: Integers, generator: np.random.Generator) -> Packed:
        """The sequences of these documents, in order. Nothing is drawn."""
        room = self.max_length - SPECIALS
        starts, lengths, document = _parts(split, documents, room)
        # A part ends at this place of the row in which all parts, and a separator between documents, stand.
        ends = np.cumsum(lengths) + document
        begins = ends - lengths
        joined = np.diff(starts) == lengths[:-1]  # false where a block of documents is not followed by its neighbour
        if not self.across_documents:
            joined &= np.diff(document) == 0
        breaks = np.append(np.flatnonzero(~joined) + 1, len(starts))
        most = breaks[np.searchsorted(breaks, np.arange(len(starts)), side="right")]
        following = np.minimum(np.searchsorted(ends, begins + room, side="right"), most)
        firsts = _chain(following)
        lasts = following[firsts] - 1
        return Packed(starts[firsts], starts[lasts] + lengths[lasts] - starts[firsts])

    def lengths(self, plan: Packed, split: Split) -> Integers:
        """(n,) tokens of each, special ones included."""
        return plan.length + SPECIALS + _borders_inside(split, plan)[2]

    def lay_out(self, split: Split, plan: Packed) -> Sequences:
        """[CLS] sentences [SEP], and a [SEP] where a new document begins inside."""
        borders, first, inside = _borders_inside(split, plan)
        counts = inside + 1
        ends = np.cumsum(counts)
        of = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(len(of)) - (ends - counts)[of]
        starts = np.where(place == 0, plan.start[of], borders[first[of] + place - 1])
        last = place == inside[of]
        stops = np.where(last, (plan.start + plan.length)[of], borders[np.minimum(first[of] + place, len(borders) - 1)])
        return segments.lay_out(split, starts, stops - starts, counts, cls_id=self.cls_id, sep_id=self.sep_id)


def _borders_inside(split: Split, plan: Packed) -> tuple[Integers, Integers, Integers]:
    """Where documents begin, the first that begins inside of each sequence, and how many do."""
    borders = split.document_starts
    first = np.searchsorted(borders, plan.start, side="right")
    return borders, first, np.searchsorted(borders, plan.start + plan.length, side="left") - first


def _parts(split: Split, documents: Integers, room: int) -> tuple[Integers, Integers, Integers]:
    """Start and length of each sentence, long ones cut into even parts; and its document's place in `documents`."""
    firsts = split.document_offsets[documents]
    counts = split.document_offsets[documents + 1] - firsts
    document = np.repeat(np.arange(len(documents)), counts)
    sentence = np.arange(len(document)) + np.repeat(firsts - (np.cumsum(counts) - counts), counts)
    starts = split.sentence_offsets[sentence]
    lengths = split.sentence_offsets[sentence + 1] - starts
    if lengths.max(initial=0) <= room:
        return starts, lengths, document
    pieces = -(-lengths // room)
    of = np.repeat(np.arange(len(pieces)), pieces)
    piece = np.arange(len(of)) - (np.cumsum(pieces) - pieces)[of]
    begins, ends = piece * lengths[of] // pieces[of], (piece + 1) * lengths[of] // pieces[of]
    return starts[of] + begins, ends - begins, document[of]


def _chain(following: Integers) -> Integers:
    """0, following[0], following[following[0]], ... up to the end. Each depends on the one before, so this loops:
    once for a sequence of some hundred tokens."""
    places: list[int] = []
    place = 0
    while place < len(following):
        places.append(place)
        place = int(following[place])
    return np.array(places, dtype=np.int64)
