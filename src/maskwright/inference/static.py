"""Vectors of tokens that know no context (word2vec): a finished model with the face that encoders have.

What needs context (guessing a hidden word, attention) is refused in a sentence that says why.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, cast

import numpy as np
import numpy.typing as npt
import torch

from maskwright.checkpoints.static_folder import read_static_folder
from maskwright.checkpoints.task_folder import check_task, fill_task, read_task_file
from maskwright.errors import BadInput
from maskwright.inference.answers import Answers
from maskwright.inference.texts import Text, checked_texts
from maskwright.tasks.answering import Task
from maskwright.tasks.data import SplitData
from maskwright.tasks.predictions import Prediction
from maskwright.tasks.table_inputs import TableInputs
from maskwright.tokenizers.loading import load_tokenizer
from maskwright.tokenizers.pairs import EncodedPair
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.training.vector_table import VectorTable
from maskwright.training.word2vec import TableConfig, table_shapes
from maskwright.training.word_finetuning import word_finetuning

Vectors = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


class Similar(NamedTuple):
    """A token, its id, and the cosine of its vector and another one's."""

    token: str
    id: int
    cosine: float


class StaticVectors:
    """A vector a token, with the tokenizer.

    Tokens that have none, special tokens among them, are rows of zeros and count for nothing in a mean.

    vectors   (V, H) float32
    counts    (V,) int64, how often each token was seen in training; 0: it has no vector
    """

    def __init__(
        self,
        vectors: Vectors,
        counts: Integers,
        tokenizer: Tokenizer,
        config: TableConfig,
        *,
        where: str = "",
        task: Task | None = None,
    ) -> None:
        self.task = task
        if task is not None:
            task.model.eval().requires_grad_(False)
        self.model = torch.from_numpy(vectors)
        self.counts = counts
        self.tokenizer = tokenizer
        self.config = config
        self._where = where or "this model"
        self._answers = Answers(self._where, task, TableInputs(tokenizer), apart=True)

    @property
    def vectors(self) -> Vectors:
        """(V, H), the table."""
        return self.model.numpy()

    def tokenize(self, text: Text, *, truncate: bool = False) -> list[str]:
        """The tokens of a text or a pair, special tokens included. Nothing is too long, so nothing is cut."""
        return list(self._encoded([text])[0].tokens)

    def encode(
        self,
        texts: Sequence[Text] | str,
        pooling: str = "mean",
        normalize: bool = False,
        *,
        truncate: bool = False,
    ) -> Vectors:
        """The mean of the vectors of each text's tokens: float32 (N, H); zeros for a text without any.

        normalize   scale each vector to length 1
        """
        if pooling != "mean":
            raise BadInput(
                f"pooling {pooling!r}: {self._where} is word2vec, where no token stands for a text: take mean"
            )
        encoded = self._encoded([texts] if isinstance(texts, str) else texts)
        known = [one.ids[self.counts[one.ids] > 0] for one in encoded]
        ids = torch.from_numpy(np.concatenate([np.zeros(0, np.int64), *known]))
        ends = np.cumsum([0, *map(len, known)])
        means = torch.nn.functional.embedding_bag(ids, self.model, torch.from_numpy(ends[:-1]), mode="mean")
        if normalize:
            means = torch.nn.functional.normalize(means, dim=-1)
        return means.numpy()

    def token_vectors(self, texts: Sequence[Text] | str, layer: int = -1, *, truncate: bool = False) -> list[Vectors]:
        """The vectors of every token: float32 (S_i, H) for each text, special tokens included.

        layer   0 or -1: there is but one
        """
        if layer not in (0, -1):
            raise BadInput(f"layer {layer}: {self._where} is word2vec, a table without layers: choose 0 or -1")
        return [self.vectors[one.ids] for one in self._encoded([texts] if isinstance(texts, str) else texts)]

    def similar(self, token: str, top: int = 10) -> list[Similar]:
        """The `top` tokens with the likest vectors, likest first; the token itself is left out.

        token   as the vocabulary has it, or a word that the tokenizer makes one token of
        """
        place = self._id_of(token)
        known = np.flatnonzero(self.counts > 0)
        known = known[known != place]
        if not 1 <= top <= len(known):
            raise BadInput(f"top {top}: choose 1 to {len(known)}, the other tokens that have a vector")
        unit = self.vectors / np.maximum(np.linalg.norm(self.vectors, axis=1, keepdims=True), 1e-12)
        cosines = (unit @ unit[place])[known]
        best = np.argsort(-cosines, kind="stable")[:top]
        tokens = self.tokenizer.tokens
        return [Similar(tokens[known[i]], int(known[i]), float(cosines[i])) for i in best.tolist()]

    def predict(self, texts: Sequence[Text] | str, *, truncate: bool = False) -> list[Prediction]:
        """What a fine-tuned model answers for each text or pair. BadInput for a model without a task."""
        return self._answers.predict(texts)

    def tag(self, sentences: Sequence[Sequence[str]], *, joined: bool = False) -> list[list[str]]:
        """The tag of each word of each sentence. BadInput for a model that does not tag.

        joined   nothing stands between words, as between Chinese characters
        """
        return self._answers.tag(sentences, joined=joined)

    def segment(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of each Chinese text, without white space. BadInput for a model that does not segment."""
        return self._answers.segment(texts)

    def examples(self, examples: Sequence[Any], *, length: int | None = None) -> SplitData:
        """Examples of a fine-tuned model's shape as it reads them: `examples(...).answers(encoder.task.model)`."""
        return self._answers.examples(examples, length)

    def fill(self, text: Text, top: int = 5, *, truncate: bool = False) -> NoReturn:
        """Refused: there is nothing that could guess."""
        self.fill_many([text], top)

    def fill_many(self, texts: Sequence[Text], top: int = 5, *, truncate: bool = False) -> NoReturn:
        """Refused, as `fill` is."""
        raise BadInput(
            f"{self._where} is word2vec, which knows no context: a token has the same vector wherever it stands, so "
            "nothing tells it what is hidden; ask an encoder pretrained with masks, or .similar(token)"
        )

    def score(self, texts: Sequence[str] | str) -> NoReturn:
        """Refused: it gives no text a probability."""
        raise BadInput(f"{self._where} is word2vec, which knows no context, so it judges no text: ask a GPT or an ELMo")

    def rank(self, text: str, candidates: Sequence[str]) -> NoReturn:
        """Refused, as `score` is."""
        self.score(text)

    def generate(self, prompt: str, **settings: object) -> NoReturn:
        """Refused: it writes nothing."""
        raise BadInput(f"{self._where} is word2vec, which knows no context, so it writes nothing on: let a GPT")

    def attention(self, text: Text, *, truncate: bool = False) -> NoReturn:
        """Refused: there is none."""
        raise BadInput(
            f"{self._where} is word2vec, a table of vectors: no token looks at another, so it has no attention"
        )

    def in_language(self, language: str | int) -> NoReturn:
        """Refused: it is told no language."""
        raise BadInput(f"{self._where} knows no language {language!r}: it is told none")

    def _encoded(self, texts: Sequence[Text]) -> list[EncodedPair]:
        return self.tokenizer.encode_pairs(checked_texts(texts))

    def _id_of(self, token: str) -> int:
        place = self.tokenizer.vocabulary.ids.get(token)
        if place is None or not self.counts[place]:
            pieces = [i for i in self._encoded([token])[0].ids.tolist() if i not in self.tokenizer.special_ids]
            if len(pieces) != 1:
                shown = " ".join(map(self.tokenizer.id_to_token, pieces)) or "nothing"
                raise BadInput(f"{token!r} is no token here but {len(pieces)} ({shown}): ask for one token")
            (place,) = pieces
        if not self.counts[place]:
            raise BadInput(f"{token!r} has no vector: it was too rare in the training documents")
        return place


def load_static(folder: Path) -> StaticVectors:
    """The model in a folder; BadInput in one line for a folder that is not whole or holds something else."""
    config, tensors = read_static_folder(folder, TableConfig, table_shapes)
    tokenizer = load_tokenizer(folder)
    if tokenizer.vocab_size != config.vocab_size:
        raise BadInput(
            f"{folder}: the tokenizer has {tokenizer.vocab_size} tokens, the table {config.vocab_size}: "
            "they do not belong together"
        )
    task = None
    if (above := read_task_file(folder)) is not None:
        tuned = word_finetuning(config, above, 0, "meta")
        check_task(folder, tuned)
        tuned = tuned.to_empty(device="cpu")
        cast("VectorTable", tuned.encoder).take(tensors)
        fill_task(folder, tuned)
        task = Task(above.part, tuned, above)
    vectors, counts = tensors["vectors"].numpy(), tensors["counts"].numpy()
    return StaticVectors(vectors, counts, tokenizer, config, where=str(folder), task=task)
