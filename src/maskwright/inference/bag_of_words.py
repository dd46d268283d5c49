"""A bag of words as a finished model: texts to vectors, with the face that encoders have.

Tokens are the tokenizer's, special ones left out but for the unknown one. What asks for vectors of tokens, or for
context, is refused in a sentence that says why.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np
import numpy.typing as npt

from maskwright.checkpoints.static_folder import read_static_folder
from maskwright.errors import BadInput
from maskwright.inference.texts import Text, checked_texts
from maskwright.tasks.answering import Task
from maskwright.tasks.data import SplitData
from maskwright.tasks.linear import LinearTask, no_place, read_linear
from maskwright.tasks.linear_data import LinearData
from maskwright.tasks.predictions import Prediction
from maskwright.tokenizers.loading import load_tokenizer
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.training.bag_of_words import BagOfWordsConfig, Doubles, bag_shapes, counted, weighting

Vectors = npt.NDArray[np.float32]


class BagOfWords:
    """Weights of tokens, and directions if bags are projected, with the tokenizer.

    weights      (V,) idf
    components   (K, V), or None
    """

    def __init__(
        self,
        weights: Doubles,
        components: Doubles | None,
        tokenizer: Tokenizer,
        config: BagOfWordsConfig,
        *,
        where: str = "",
        task: LinearTask | None = None,
    ) -> None:
        self._linear = task
        self.task = None if task is None else Task(task.part, cast("Any", task.linear))
        self.weights = weights
        self.model: Any = weighting(config, weights)
        self.components = components
        self.tokenizer = tokenizer
        self.config = config
        self._where = where or "this model"
        around = tokenizer.special_ids
        self._around = around[around != tokenizer.unk_id] if tokenizer.unk_id is not None else around

    def tokenize(self, text: Text, *, truncate: bool = False) -> list[str]:
        """The tokens of a text or a pair, special tokens included. Nothing is too long, so nothing is cut."""
        return list(self.tokenizer.encode_pairs(checked_texts([text]))[0].tokens)

    def encode(
        self,
        texts: Sequence[Text] | str,
        pooling: str = "mean",
        normalize: bool = False,
        *,
        truncate: bool = False,
    ) -> Vectors:
        """The bag of each text, of a pair the bag of both: float32 (N, V), or (N, dimensions); zeros for an empty one.

        pooling     there is nothing to pool: only mean, every encoder's default, is taken
        normalize   scale each vector to length 1
        """
        if pooling != "mean":
            raise BadInput(f"pooling {pooling!r}: {self._where} is a bag of words, with nothing to pool: leave it out")
        bags = self.bags(checked_texts([texts] if isinstance(texts, str) else texts))
        dense: Doubles = bags.toarray() if self.components is None else bags
        if normalize:
            dense = dense / np.maximum(np.linalg.norm(dense, axis=1, keepdims=True), 1e-12)
        return np.asarray(dense, dtype=np.float32)

    def bags(self, texts: Sequence[Text]) -> Any:
        """The same in float64: (N, V), sparse, or projected (N, dimensions), an array."""
        encoded = self.tokenizer.encode_pairs(texts)
        kept = [one.ids[~np.isin(one.ids, self._around)] for one in encoded]
        lengths = np.array([len(ids) for ids in kept], dtype=np.int64)
        counts = counted(np.concatenate([np.zeros(0, np.int64), *kept]), lengths, self.config.vocab_size)
        weighted = self.model.transform(counts) if len(encoded) else counts
        return weighted if self.components is None else weighted @ self.components.T

    def predict(self, texts: Sequence[Text] | str, *, truncate: bool = False) -> list[Prediction]:
        """What a linear model of the bags answers for each text or pair. BadInput for a model without a task."""
        if self._linear is None:
            raise BadInput(
                f"{self._where} was not fine-tuned, so it predicts no labels: `maskwright finetune` makes a model that "
                "does; this one encodes texts"
            )
        return self._linear.answers(self.bags, checked_texts([texts] if isinstance(texts, str) else texts))

    def examples(self, examples: Sequence[Any], *, length: int | None = None) -> SplitData:
        """Examples of a fine-tuned model's shape: `examples(...).answers(encoder.task.model)`. Nothing is cut."""
        if self._linear is None:
            raise BadInput(f"{self._where} was not fine-tuned: `maskwright finetune` makes a model that answers")
        return LinearData(examples, self._linear, self.bags, self.tokenizer)

    def tag(self, sentences: Sequence[Sequence[str]], *, joined: bool = False) -> NoReturn:
        """Refused: a bag has no words in an order."""
        raise BadInput(no_place(self._where, "tagging"))

    def segment(self, texts: Sequence[str]) -> NoReturn:
        """Refused, as `tag` is."""
        raise BadInput(no_place(self._where, "segmentation"))

    def token_vectors(self, texts: Sequence[Text] | str, layer: int = -1, *, truncate: bool = False) -> NoReturn:
        """Refused: a bag has none."""
        raise BadInput(
            f"{self._where} is a bag of words: it counts the tokens of a text, and a token by itself has no vector; "
            "ask .encode(texts), or a model such as word2vec or BERT"
        )

    def fill(self, text: Text, top: int = 5, *, truncate: bool = False) -> NoReturn:
        """Refused: there is nothing that could guess."""
        self.fill_many([text], top)

    def fill_many(self, texts: Sequence[Text], top: int = 5, *, truncate: bool = False) -> NoReturn:
        """Refused, as `fill` is."""
        raise BadInput(
            f"{self._where} is a bag of words, which knows no order and so no place where something is hidden: "
            "ask an encoder pretrained with masks"
        )

    def score(self, texts: Sequence[str] | str) -> NoReturn:
        """Refused: it gives no text a probability."""
        raise BadInput(
            f"{self._where} is a bag of words, which knows no order, so it judges no text: ask a GPT or an ELMo"
        )

    def rank(self, text: str, candidates: Sequence[str]) -> NoReturn:
        """Refused, as `score` is."""
        self.score(text)

    def generate(self, prompt: str, **settings: object) -> NoReturn:
        """Refused: it writes nothing."""
        raise BadInput(f"{self._where} is a bag of words, which knows no order, so it writes nothing on: let a GPT")

    def attention(self, text: Text, *, truncate: bool = False) -> NoReturn:
        """Refused: there is none."""
        raise BadInput(f"{self._where} is a bag of words: no token looks at another, so none attends")

    def in_language(self, language: str | int) -> NoReturn:
        """Refused: it is told no language."""
        raise BadInput(f"{self._where} knows no language {language!r}: it is told none")


def load_bag_of_words(folder: Path) -> BagOfWords:
    """The model in a folder; BadInput in one line for a folder that is not whole or holds something else."""
    config, tensors = read_static_folder(folder, BagOfWordsConfig, bag_shapes)
    tokenizer = load_tokenizer(folder)
    if tokenizer.vocab_size != config.vocab_size:
        raise BadInput(
            f"{folder}: the tokenizer has {tokenizer.vocab_size} tokens, the weights {config.vocab_size}: "
            "they do not belong together"
        )
    components = tensors["components"].numpy() if "components" in tensors else None
    task = read_linear(folder, config.hidden_size)
    return BagOfWords(tensors["idf"].numpy(), components, tokenizer, config, where=str(folder), task=task)
