"""How sequences are laid out, by name: BERT's pairs, RoBERTa's alternatives (1907.11692, section 4.2), XLM's text."""

from typing import Any, Literal

from pydantic import Field, model_validator

from maskwright.config import Config
from maskwright.errors import BadInput
from maskwright.objectives.language_stream import LanguageStream
from maskwright.objectives.packed_sentences import PackedSentences
from maskwright.objectives.pair_plan import Task
from maskwright.objectives.segment_pairs import SegmentPairs, Variant
from maskwright.objectives.stream import Layout
from maskwright.objectives.translation import TranslationPairs

Kind = Literal["segment_pairs", "sentence_pairs", "full_sentences", "doc_sentences", "languages"]
Translation = Literal["in_turn", "never", "alone"]
PAIRS: tuple[Kind, ...] = ("segment_pairs", "sentence_pairs")


class LayoutConfig(Config):
    """How sequences are laid out."""

    kind: Kind = "segment_pairs"
    """segment_pairs (BERT), sentence_pairs, full_sentences (RoBERTa), doc_sentences (SpanBERT) or languages (XLM)."""
    max_length: int = Field(default=128, ge=5)
    """Tokens of a sequence, special tokens included."""
    task: Task = "next_sentence"
    """What is asked of a pair: next_sentence, sentence_order (ALBERT) or none."""
    short_probability: float = Field(default=0.1, ge=0, le=1)
    """How often a pair is meant to be shorter."""
    variant: Variant = "exact"
    """google: pairs as the original scripts make them, with their faults."""
    translation: Translation = "in_turn"
    """languages: in_turn (each language's text, then pairs of translations), never, or alone."""
    max_sentence: int | None = Field(default=100, ge=1)
    """languages: tokens of a side of a pair; longer ones are left out. none: as many as fit."""

    @model_validator(mode="after")
    def _pairs_only(self) -> "LayoutConfig":
        if self.kind not in PAIRS and self.task != "none":
            raise BadInput(f"task {self.task} with {self.kind}, which are no pairs: take task none, or segment_pairs")
        return self

    @property
    def pair_head(self) -> str | None:
        """The head that the pairs ask for: nsp, sop, or None."""
        return {"next_sentence": "nsp", "sentence_order": "sop", "none": None}[self.task]

    def layouts(self, cls_id: int, sep_id: int) -> list[Layout[Any]]:
        """The layout itself; of languages several, which take turns: the text of each, and pairs of translations."""
        if self.kind == "languages":
            pairs = TranslationPairs(
                cls_id=cls_id, sep_id=sep_id, max_length=self.max_length, max_sentence=self.max_sentence
            )
            text: list[Layout[Any]] = [
                LanguageStream(cls_id=cls_id, sep_id=sep_id, language=side, side=side, max_length=self.max_length)
                for side in (0, 1)
            ]
            turns: dict[Translation, list[Layout[Any]]] = {"in_turn": [*text, pairs], "never": text, "alone": [pairs]}
            return turns[self.translation]
        return [self._layout(cls_id, sep_id)]

    def _layout(self, cls_id: int, sep_id: int) -> SegmentPairs | PackedSentences:
        if self.kind in PAIRS:
            return SegmentPairs(
                cls_id=cls_id,
                sep_id=sep_id,
                max_length=self.max_length,
                short_probability=self.short_probability,
                task=self.task,
                sentences=self.kind == "sentence_pairs",
                variant=self.variant,
            )
        return PackedSentences(
            cls_id=cls_id,
            sep_id=sep_id,
            max_length=self.max_length,
            across_documents=self.kind == "full_sentences",
        )
