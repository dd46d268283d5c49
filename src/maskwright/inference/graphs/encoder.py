"""A model from a graph file, with as much of an encoder's face as the graph can answer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, cast, get_args

import numpy as np
import torch
from torch import Tensor

from maskwright.batch import Batch
from maskwright.checkpoints.task_part import TaskPart
from maskwright.errors import BadInput
from maskwright.inference.answers import Answers
from maskwright.inference.encoder import Vectors
from maskwright.inference.graphs.facts import HIDDEN, SCORES, VECTORS, GraphFacts, Pooling
from maskwright.inference.graphs.network import inputs_of
from maskwright.inference.graphs.rectangles import filler, like_lengths, of_batch, of_texts
from maskwright.inference.graphs.runtimes import Runtime
from maskwright.inference.texts import Text, checked_texts
from maskwright.tasks.answering import Task
from maskwright.tasks.choices import Chosen
from maskwright.tasks.data import SplitData
from maskwright.tasks.inputs import TransformerInputs
from maskwright.tasks.predictions import Prediction
from maskwright.tasks.span_answers import Answered
from maskwright.tokenizers.pairs import EncodedPair
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.training.finetuning import Finetuning


class GraphScorer:
    """The head of a task in a graph, as `tasks` asks a network."""

    def __init__(self, runtime: Runtime, facts: GraphFacts, padding: int) -> None:
        self._runtime, self._names, self._padding = runtime, inputs_of(facts), padding
        self._part = cast("TaskPart", facts.part)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return torch.device("cpu")

    def scores(self, batch: Batch) -> Tensor:
        """(N, C), (N,), (M, C) at the rows asked about, or (T, 2), as the head of the network has it."""
        inputs = of_batch(batch, self._names, self._padding)
        (found,) = self._runtime.run(inputs, [SCORES])
        scores = torch.from_numpy(np.ascontiguousarray(found))
        if self._part.asks in ("class", "classes", "number", "option"):
            return scores
        rows = scores[torch.from_numpy(inputs["attention_mask"] == 1)]  # (T, C)
        return rows if batch.predict_rows is None else rows.index_select(0, batch.predict_rows)

    def best(self, scores: Tensor, batch: Batch) -> Tensor:
        """(M,) the tag with the highest score of each word."""
        return scores.argmax(-1)


class GraphEncoder:
    """A graph with its tokenizer. What no graph can tell is refused in one line."""

    def __init__(self, runtime: Runtime, facts: GraphFacts, tokenizer: Tokenizer, *, where: str = "") -> None:
        self.runtime, self.facts, self.tokenizer = runtime, facts, tokenizer
        self._where = where or "this graph"
        self._padding = filler(tokenizer)
        self.task: Task | None = None
        if facts.part is not None:
            scorer: Any = GraphScorer(runtime, facts, self._padding)
            self.task = Task(facts.part, cast("Finetuning", scorer))

    @property
    def config(self) -> GraphFacts:
        """The network's shape, as far as it is told."""
        return self.facts

    @property
    def certificate(self) -> dict[str, Any]:
        """What was measured when it was exported."""
        return self.facts.certificate

    def tokenize(self, text: Text, *, truncate: bool = False) -> list[str]:
        """The tokens of a text or a pair, special tokens included."""
        return list(self.encoded([text], truncate)[0].tokens)

    def encode(
        self,
        texts: Sequence[Text] | str,
        pooling: Pooling | None = None,
        normalize: bool | None = None,
        *,
        truncate: bool = False,
    ) -> Vectors:
        """One vector a text or pair of texts: float32 (N, H). Where nothing is said, as it was exported.

        pooling   mean or cls; pooler only where it was exported with it
        """
        if pooling is None:
            pooling = self.facts.pooling
            normalize = self.facts.normalize if normalize is None else normalize
        if pooling not in get_args(Pooling):
            raise BadInput(f"pooling {pooling!r}: there are {', '.join(get_args(Pooling))}")
        if pooling == "pooler" and pooling != self.facts.pooling:
            raise BadInput(f"{self._where} was exported without its pooler: take mean or cls")
        if pooling == "pooler" and self.facts.normalize and not normalize:
            raise BadInput(f"{self._where} gives its pooler's vectors at length 1 alone: take normalize=True")
        encoded = self.encoded([texts] if isinstance(texts, str) else texts, truncate)
        vectors = np.empty((len(encoded), self.facts.hidden_size), np.float32)
        as_exported = pooling == self.facts.pooling and (bool(normalize) or not self.facts.normalize)
        for which, inputs in self._rectangles(encoded):
            (found,) = self.runtime.run(inputs, [VECTORS if as_exported else HIDDEN])
            vectors[which] = found if as_exported else _pooled(found, inputs["attention_mask"], pooling)
        if normalize and not (as_exported and self.facts.normalize):
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def token_vectors(self, texts: Sequence[Text] | str, layer: int = -1, *, truncate: bool = False) -> list[Vectors]:
        """The last layer's vectors of every token: float32 (S_i, H) for each text. BadInput for another layer."""
        if layer != -1:
            raise BadInput(f"layer {layer}: {self._where} gives the last layer alone: take -1, or the model's folder")
        encoded = self.encoded([texts] if isinstance(texts, str) else texts, truncate)
        vectors: list[Vectors] = [np.empty(0, np.float32)] * len(encoded)
        for which, inputs in self._rectangles(encoded):
            (found,) = self.runtime.run(inputs, [HIDDEN])
            for i, rows in zip(which, found, strict=True):
                vectors[i] = rows[: len(encoded[i].ids)].copy()
        return vectors

    def predict(self, texts: Sequence[Text] | str, *, truncate: bool = False) -> list[Prediction]:
        """What a fine-tuned model answers for each text or pair. BadInput for a graph without a task."""
        return self._answers.predict(texts, truncate=truncate)

    def tag(self, sentences: Sequence[Sequence[str]], *, joined: bool = False) -> list[list[str]]:
        """The tag of each word of each sentence, see `Encoder.tag`."""
        return self._answers.tag(sentences, joined=joined)

    def segment(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of each Chinese text, see `Encoder.segment`."""
        return self._answers.segment(texts)

    def answer(self, question: str, context: str, top: int = 1, *, truncate: bool = False) -> list[Answered]:
        """Where in the context a question's answer stands, see `Encoder.answer`."""
        return self.answer_many([(question, context)], top, truncate=truncate)[0]

    def answer_many(
        self, questions: Sequence[tuple[str, str]], top: int = 1, *, truncate: bool = False
    ) -> list[list[Answered]]:
        """As `answer`, for many questions at once."""
        return self._answers.answer(questions, top, truncate=truncate)

    def choose(self, first: str, options: Sequence[str | tuple[str, ...]], *, truncate: bool = False) -> Chosen:
        """Which option follows a text, see `Encoder.choose`."""
        return self.choose_many([(first, options)], truncate=truncate)[0]

    def choose_many(
        self, choices: Sequence[tuple[str, Sequence[str | tuple[str, ...]]]], *, truncate: bool = False
    ) -> list[Chosen]:
        """As `choose`, for many at once."""
        return self._answers.choose(choices, truncate=truncate)

    def examples(self, examples: Sequence[Any], *, length: int | None = None) -> SplitData:
        """Examples of a fine-tuned model's shape as it reads them: `examples(...).answers(encoder.task.model)`."""
        return self._answers.examples(examples, length)

    def fill(self, text: Text, top: int = 5, *, truncate: bool = False) -> NoReturn:
        """Refused: prediction heads are not exported."""
        self._refuse("fills no blank")

    def fill_many(self, texts: Sequence[Text], top: int = 5, *, truncate: bool = False) -> NoReturn:
        """Refused, as `fill` is."""
        self._refuse("fills no blank")

    def attention(self, text: Text, *, truncate: bool = False) -> NoReturn:
        """Refused: a graph gives no weights of attention."""
        self._refuse("tells no attention")

    def score(self, texts: Sequence[str] | str) -> NoReturn:
        """Refused: it gives no text a probability."""
        self._refuse("judges no text")

    def rank(self, text: str, candidates: Sequence[str]) -> NoReturn:
        """Refused, as `score` is."""
        self._refuse("judges no text")

    def generate(self, prompt: str, **settings: object) -> NoReturn:
        """Refused: it writes nothing."""
        self._refuse("writes nothing")

    def in_language(self, language: str | int) -> NoReturn:
        """Refused: the language of an XLM is in the graph."""
        told = "it is told none" if self.facts.language is None else f"it was exported for number {self.facts.language}"
        raise BadInput(f"{self._where} takes no other language than its own ({told}): load the model's folder")

    def adapted(self, folder: str | Path) -> NoReturn:
        """Refused: a graph's weights are fixed."""
        self._refuse("takes no adapter")

    def _refuse(self, what: str) -> NoReturn:
        raise BadInput(f"{self._where} is an exported graph, which {what}: load the model's folder for that")

    @property
    def _answers(self) -> Answers:
        inputs = TransformerInputs(self.tokenizer, segments=self.facts.segments, language=None)
        return Answers(self._where, self.task, inputs, longest=self.facts.longest)

    def encoded(self, texts: Sequence[Text], truncate: bool = False) -> list[EncodedPair]:
        """Texts as the graph reads them; BadInput for one that is too long, unless it may be truncated."""
        return self.tokenizer.encode_pairs(checked_texts(texts), max_length=self.facts.longest, truncate=truncate)

    def _rectangles(self, encoded: Sequence[EncodedPair]) -> Any:
        lengths = np.array([len(one.ids) for one in encoded], np.int64)
        if self.facts.segments and (most := max([0, *(int(one.type_ids.max(initial=0)) for one in encoded)])) >= (
            self.facts.segments
        ):
            raise BadInput(f"a pair has {most + 1} segments, {self._where} knows {self.facts.segments}")
        for which in like_lengths(lengths):
            yield which, of_texts([encoded[i] for i in which], inputs_of(self.facts), self._padding)


def _pooled(last: Vectors, mask: Any, pooling: Pooling) -> Vectors:
    """(N, S, H) -> (N, H)."""
    if pooling == "cls":
        return last[:, 0] * mask[:, :1]
    tokens = mask[..., None].astype(np.float32)
    return (last * tokens).sum(1) / np.maximum(tokens.sum(1), 1)
