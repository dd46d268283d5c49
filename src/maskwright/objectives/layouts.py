"""How sequences are laid out, by name: BERT's pairs and RoBERTa's alternatives (arXiv 1907.11692, section 4.2)."""

from typing import Literal

from pydantic import Field, model_validator

from maskwright.config import Config
from maskwright.errors import BadInput
from maskwright.objectives.packed_sentences import PackedSentences
from maskwright.objectives.pair_plan import Task
from maskwright.objectives.segment_pairs import SegmentPairs, Variant

Kind = Literal["segment_pairs", "sentence_pairs", "full_sentences", "doc_sentences"]
PAIRS: tuple[Kind, ...] = ("segment_pairs", "sentence_pairs")


class LayoutConfig(Config):
    """How sequences are laid out."""

    kind: Kind = "segment_pairs"
    """segment_pairs (BERT), sentence_pairs, full_sentences (RoBERTa) or doc_sentences (SpanBERT)."""
    max_length: int = Field(default=128, ge=5)
    """Tokens of a sequence, special tokens included."""
    task: Task = "next_sentence"
    """What is asked of a pair: next_sentence, sentence_order (ALBERT) or none."""
    short_probability: float = Field(default=0.1, ge=0, le=1)
    """How often a pair is meant to be shorter."""
    variant: Variant = "exact"
    """google: pairs as the original scripts make them, with their faults."""

    @model_validator(mode="after")
    def _pairs_only(self) -> "LayoutConfig":
        if self.kind not in PAIRS and self.task != "none":
            raise BadInput(f"task {self.task} with {self.kind}, which are no pairs: take task none, or segment_pairs")
        return self

    @property
    def pair_head(self) -> str | None:
        """The head that the pairs ask for: nsp, sop, or None."""
        return {"next_sentence": "nsp", "sentence_order": "sop", "none": None}[self.task]

    def layout(self, cls_id: int, sep_id: int) -> SegmentPairs | PackedSentences:
        """The layout itself."""
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
