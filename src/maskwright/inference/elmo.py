"""A finished ELMo, with the face that other encoders have: vectors of texts and of words, and how likely words are.

A text is a sentence between <S> and </S>; of a pair each text is read by itself. Every text begins from nothing, so
the same call gives the same bits; allennlp's own go on from whatever was read before. Words are read by their
characters, so a word that the vocabulary lacks has vectors too, and is shown as it is written.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from maskwright.batch import Batch
from maskwright.checkpoints.elmo_folder import read_elmo
from maskwright.checkpoints.task_folder import check_task, fill_task, read_task_file
from maskwright.errors import BadInput
from maskwright.inference.answers import Answers
from maskwright.inference.generation import rank
from maskwright.inference.texts import Text, checked_texts
from maskwright.models.elmo import Elmo, ElmoConfig
from maskwright.tasks.answering import Task
from maskwright.tasks.data import SplitData
from maskwright.tasks.elmo_inputs import ElmoInputs
from maskwright.tasks.predictions import Prediction
from maskwright.tokenizers.loading import load_tokenizer
from maskwright.tokenizers.pairs import EncodedPair
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.training.both_ways_lm import BothWaysLM, both_ways_lm, neighbours
from maskwright.training.word_finetuning import word_finetuning

Vectors = npt.NDArray[np.float32]
TOKEN_BUDGET = 4096  # of a batch


class Scores(NamedTuple):
    """How likely each token of a text is. NaN where a direction has nothing to go on: its own first token.

    tokens    S, with <S> and </S>
    forward   (S,) float32, logarithm of its probability given all tokens before it
    backward  (S,) float32, given all tokens behind it
    """

    tokens: list[str]
    forward: Vectors
    backward: Vectors

    @property
    def total(self) -> float:
        """Of the whole text: the mean of what both directions say."""
        return float(np.nansum(np.stack([self.forward, self.backward]).astype(np.float64)) / 2)


class ElmoEncoder:
    """The two language models with their tokenizer."""

    def __init__(self, model: BothWaysLM, tokenizer: Tokenizer, *, where: str = "", task: Task | None = None) -> None:
        self.model = model.eval().requires_grad_(False)
        self.task = task
        if task is not None:
            task.model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self._where = where or "this model"
        self._device = model.encoder.characters.table.device
        self._inputs = ElmoInputs(model.encoder.config, tokenizer)
        self._answers = Answers(self._where, task, self._inputs, apart=True)

    @property
    def config(self) -> ElmoConfig:
        """The network's shape."""
        return self.model.encoder.config

    def tokenize(self, text: Text, *, truncate: bool = False) -> list[str]:
        """The words of a text, or of a pair one after the other, with <S> and </S>. Nothing is too long."""
        (sentences,) = self._sentences([text])
        return [token for one in sentences for token in one.tokens]

    def encode(
        self,
        texts: Sequence[Text] | str,
        pooling: str = "mean",
        normalize: bool = False,
        *,
        layer: int | None = None,
        truncate: bool = False,
    ) -> Vectors:
        """The mean of the vectors of each text's words, <S> and </S> left out: float32 (N, H); zeros without any.

        normalize   scale each vector to length 1
        layer       of which layer; None: the mean of all, which is what ELMo's weighted sum begins as
        """
        if pooling != "mean":
            raise BadInput(
                f"pooling {pooling!r}: {self._where} is an ELMo, where no token stands for a text: take mean"
            )
        vectors: list[Vectors] = []
        for rows in self._layers([texts] if isinstance(texts, str) else texts, layer):
            inside = torch.cat([one[1:-1] for one in rows])
            mean = inside.mean(0) if len(inside) else inside.new_zeros(inside.shape[1])
            vectors.append(torch.nn.functional.normalize(mean, dim=-1).numpy() if normalize else mean.numpy())
        return np.stack(vectors) if vectors else np.empty((0, self.config.hidden_size), np.float32)

    def token_vectors(
        self, texts: Sequence[Text] | str, layer: int | None = -1, *, truncate: bool = False
    ) -> list[Vectors]:
        """The vectors of every token: float32 (S_i, H) for each text, <S> and </S> included.

        layer   0: the word's own, twice; 1 to L: that layer's, forward beside backward; None: the mean of all
        """
        found = self._layers([texts] if isinstance(texts, str) else texts, layer)
        return [torch.cat(rows).numpy() for rows in found]

    def predict(self, texts: Sequence[Text] | str, *, truncate: bool = False) -> list[Prediction]:
        """What a fine-tuned model answers for each text or pair. BadInput for a model without a task."""
        return self._answers.predict(texts)

    def tag(self, sentences: Sequence[Sequence[str]], *, joined: bool = False) -> list[list[str]]:
        """The tag of each word of each sentence; a word is one of ELMo's. BadInput for a model that does not tag.

        joined   nothing stands between words, as between Chinese characters
        """
        return self._answers.tag(sentences, joined=joined)

    def segment(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of each Chinese text, without white space. BadInput for a model that does not segment."""
        return self._answers.segment(texts)

    def examples(self, examples: Sequence[Any], *, length: int | None = None) -> SplitData:
        """Examples of a fine-tuned model's shape as it reads them: `examples(...).answers(encoder.task.model)`."""
        return self._answers.examples(examples, length)

    def score(self, texts: Sequence[str] | str) -> list[Scores]:
        """How likely each token is, forward and backward; what the vocabulary lacks is judged as its unknown word."""
        given = [texts] if isinstance(texts, str) else list(texts)
        found = self._sentences(given)
        if pairs := [text for text, sentences in zip(given, found, strict=True) if len(sentences) > 1]:
            raise BadInput(f"{pairs[0]!r:.80} is a pair, and each text is judged by itself: give them one by one")
        return [self._scored(sentence) for (sentence,) in found]

    def rank(self, text: str, candidates: Sequence[str]) -> list[tuple[str, float]]:
        """Which candidate is likeliest in the blank of a text, [MASK]: their shares, best first."""
        return rank(self.score, text, candidates)

    def _scored(self, sentence: EncodedPair) -> Scores:
        if self.model.softmax is None:
            raise BadInput(
                f"{self._where} has no softmax, as allennlp's published files leave it out, so it predicts no words: "
                "pretrain one with the recipe elmo"
            )
        batch = self._batch([sentence])
        fed, asked = neighbours(batch)
        with torch.inference_mode():
            forward, backward = self.model.encoder(batch).chunk(2, -1)
            sides = (forward[fed], batch.token_ids[asked]), (backward[asked], batch.token_ids[fed])
            likely = [-self.model.softmax(rows, targets, batch).losses.float().cpu().numpy() for rows, targets in sides]
        nothing = np.full(1, np.nan, np.float32)
        return Scores(list(sentence.tokens), np.concatenate([nothing, likely[0]]), np.concatenate([likely[1], nothing]))

    def fill(self, text: Text, top: int = 5, *, truncate: bool = False) -> NoReturn:
        """Refused: no direction sees both sides of a blank."""
        self.fill_many([text], top)

    def fill_many(self, texts: Sequence[Text], top: int = 5, *, truncate: bool = False) -> NoReturn:
        """Refused, as `fill` is."""
        raise BadInput(
            f"{self._where} is an ELMo: each of its models sees one side of a word, so it fills no blank: give "
            "candidates to choose from (rank)"
        )

    def generate(self, prompt: str, **settings: object) -> NoReturn:
        """Refused: it was made for vectors."""
        raise BadInput(f"{self._where} is an ELMo, two models that read towards each other: let a GPT write on")

    def attention(self, text: Text, *, truncate: bool = False) -> NoReturn:
        """Refused: there is none."""
        raise BadInput(f"{self._where} is an ELMo: its LSTMs read word by word, so it has no attention")

    def in_language(self, language: str | int) -> NoReturn:
        """Refused: it is told no language."""
        raise BadInput(f"{self._where} knows no language {language!r}: it is told none")

    def _sentences(self, texts: Sequence[Text]) -> list[list[EncodedPair]]:
        """One sentence for each text, two for a pair; tokens are the words as they are read."""
        checked = checked_texts(texts)
        sentences = iter(self._inputs.texts(checked, None).encoded)
        return [[next(sentences) for _ in range(1 if isinstance(text, str) else 2)] for text in checked]

    def _layers(self, texts: Sequence[Text], layer: int | None) -> list[list[Tensor]]:
        """For each text the vectors of its sentences at a layer, (S, H) float32 on the CPU."""
        layers = self.config.num_hidden_layers
        if layer is not None and not -layers - 1 <= layer <= layers:
            raise BadInput(f"layer {layer}: choose 0 (words) to {layers}, or -1 (the last) to {-layers - 1}")
        of_texts = self._sentences(texts)
        flat = [sentence for sentences in of_texts for sentence in sentences]
        found: list[Tensor] = [torch.empty(0)] * len(flat)
        for which, batch in self._batches(flat):
            with torch.inference_mode():
                states = self.model.encoder.hidden_states(batch)
                chosen = torch.stack(states).float().mean(0) if layer is None else states[layer].float()
            lengths = batch.cu_seqlens.diff().tolist()
            for i, rows in zip(which, chosen.cpu().split(lengths), strict=True):
                found[i] = rows.clone()
        rows = iter(found)
        return [[next(rows) for _ in sentences] for sentences in of_texts]

    def _batches(self, sentences: Sequence[EncodedPair]) -> Iterator[tuple[list[int], Batch]]:
        """Sentences of like length together, long ones first: which, and their batch."""
        lengths = np.array([len(one.ids) for one in sentences], dtype=np.int64)
        order = cast("list[int]", np.argsort(-lengths, kind="stable").tolist())
        while order:
            size = max(1, TOKEN_BUDGET // int(lengths[order[0]]))
            which, order = order[:size], order[size:]
            yield which, self._batch([sentences[i] for i in which])

    def _batch(self, sentences: Sequence[EncodedPair]) -> Batch:
        """These side by side, each word with its characters."""
        bounds = np.cumsum([0, *(len(one.ids) for one in sentences)])
        return self._inputs.flat(sentences).batch(np.arange(bounds[-1]), bounds).to(self._device)


def load_elmo(folder: Path, *, dtype: torch.dtype, device: torch.device) -> ElmoEncoder:
    """The model in a folder; BadInput in one line for a folder that is not whole or holds something else."""
    found = read_elmo(folder)
    tokenizer = load_tokenizer(folder)
    if tokenizer.vocab_size > found.config.vocab_size:
        raise BadInput(
            f"{folder}: the tokenizer has {tokenizer.vocab_size} tokens, the network {found.config.vocab_size}: "
            "they do not belong together"
        )
    if (above := read_task_file(folder)) is not None:
        found, tuned = found.of_encoder(), word_finetuning(found.config, above, 0, "meta")
        found.check(tuned.encoder)
        check_task(folder, tuned)
        tuned = tuned.to_empty(device=device)
        found.fill(tuned.encoder)
        fill_task(folder, tuned)
        task = Task(above.part, tuned.to(dtype), above)
        return ElmoEncoder(BothWaysLM(cast("Elmo", tuned.encoder), None), tokenizer, where=str(folder), task=task)
    model = both_ways_lm(found.config, softmax=found.has_softmax, device="meta")
    found.check(model)  # before there is memory for what config.json claims
    model = model.to_empty(device=device)
    found.fill(model)
    return ElmoEncoder(model.to(dtype), tokenizer, where=str(folder))
