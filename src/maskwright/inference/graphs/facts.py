"""What a graph file says of itself beside its operations: how to read texts for it, and what was measured of it."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, cast

from pydantic import Field

from maskwright.checkpoints.span_settings import SpanSettings
from maskwright.checkpoints.task_part import MOST_LABELS, TaskPart
from maskwright.config import Config, checked, plain
from maskwright.errors import BadInput
from maskwright.objectives.sequence_scores import Asks
from maskwright.tokenizers.loading import load_tokenizer
from maskwright.tokenizers.tokenizer import Tokenizer

Pooling = Literal["mean", "cls", "pooler"]
Precision = Literal["float32", "int8"]
KEY, TOKENIZER = "maskwright", "maskwright.tokenizer"
"""Names of an ONNX file's metadata: these facts, and the tokenizer's files."""
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
"""Of them the first is all that a tokenizer is; the others say what stock libraries want to know."""
HIDDEN, VECTORS, SCORES = "last_hidden_state", "sentence_embedding", "logits"
"""What a graph gives: (N, S, H), (N, H), and with a task (N, C), (N,), (N, S, C) or (N, S, 2)."""
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""What it takes, (N, S) int64 each; the last only where the network tells segments apart."""


class GraphFacts(Config):
    """What is to be known of a graph to run it on texts."""

    format: Literal[1] = 1
    """Of these facts."""
    model_type: str
    """The network."""
    hidden_size: int = Field(ge=1)
    """H."""
    longest: int = Field(ge=1)
    """The most tokens of a sequence."""
    vocab_size: int = Field(ge=1)
    """V, of the network; the tokenizer may have fewer."""
    segments: int = Field(ge=0)
    """How many segments the network tells apart; 0: none."""
    language: int | None = None
    """The language that an XLM takes every text to be in."""
    pooling: Pooling = "mean"
    """How `sentence_embedding` is made of token vectors."""
    normalize: bool = False
    """Whether it is scaled to length 1."""
    precision: Precision = "float32"
    """What its matrix products compute with."""
    asks: Asks | None = None
    """What `logits` answer; none: there are no logits."""
    labels: tuple[str, ...] = Field(default=(), max_length=MOST_LABELS)
    """Names of the answers, in the order of the scores."""
    span: dict[str, int | float | None] | None = None
    """How questions and contexts become sequences."""
    certificate: dict[str, Any] = Field(default_factory=dict)
    """What was measured of it when it was exported."""

    @property
    def part(self) -> TaskPart | None:
        """The task, if it has one."""
        if self.asks is None:
            return None
        span: Any = self.span
        return TaskPart(self.asks, self.labels, None if span is None else SpanSettings(**span))


def packed(facts: GraphFacts, tokenizer: Tokenizer) -> dict[str, str]:
    """Both as the metadata of an ONNX file."""
    files = tokenizer.files()
    kept = {name: files[name].decode() for name in TOKENIZER_FILES if name in files}
    return {KEY: json.dumps(plain(facts), ensure_ascii=False), TOKENIZER: json.dumps(kept, ensure_ascii=False)}


def unpacked(metadata: Mapping[str, str], where: Path) -> tuple[GraphFacts, Tokenizer]:
    """What `packed` wrote. BadInput for a graph that we did not write, or whose facts are damaged."""
    if KEY not in metadata or TOKENIZER not in metadata:
        raise BadInput(f"{where} says nothing of its tokenizer and pooling: `maskwright export` writes graphs that do")
    facts = facts_of(metadata[KEY], where)
    try:
        said: object = json.loads(metadata[TOKENIZER])
    except ValueError:
        said = None
    if not isinstance(said, dict) or not isinstance(said.get(TOKENIZER_FILES[0]), str):
        raise BadInput(f"{where}: the tokenizer in it is damaged: export it anew")
    return facts, tokenizer_of(cast("dict[str, object]", said), facts, where)


def tokenizer_of(files: Mapping[str, object], facts: GraphFacts, where: Path) -> Tokenizer:
    """The tokenizer in files by name. No name but those of tokenizers is written anywhere."""
    with TemporaryDirectory(prefix="maskwright-tokenizer-") as folder:
        for name in TOKENIZER_FILES:
            if isinstance(text := files.get(name), str):
                (Path(folder) / name).write_text(text, encoding="utf-8")
        return fitting(load_tokenizer(Path(folder)), facts, where)


def facts_of(text: str, where: Path) -> GraphFacts:
    """From JSON. BadInput names a key that is wrong."""
    try:
        said: object = json.loads(text)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise BadInput(f"{where}: what it says of itself is damaged: export it anew")
    return checked(GraphFacts, said, str(where))


def fitting(tokenizer: Tokenizer, facts: GraphFacts, where: Path) -> Tokenizer:
    """The tokenizer; BadInput where it has tokens that the network has no row for."""
    if tokenizer.vocab_size > facts.vocab_size:
        raise BadInput(
            f"{where}: the tokenizer has {tokenizer.vocab_size} tokens, the network {facts.vocab_size}: "
            "they do not belong together"
        )
    return tokenizer
