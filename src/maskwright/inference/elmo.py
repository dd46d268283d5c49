"""A finished ELMo, with the face that other encoders have: vectors of texts and of words, and how likely words are.

A text is a sentence between <S> and </S>; of a pair each text is read by itself. Every text begins from nothing, so
the same call gives the same bits; allennlp's own go on from whatever was read before. Words are read by their
characters, so a word that the vocabulary lacks has vectors too, and is shown as it is written.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, NoReturn, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from maskwright.batch import Batch
from maskwright.checkpoints.elmo_folder import read_elmo
from maskwright.errors import BadInput
from maskwright.inference.generation import rank
from maskwright.inference.texts import Text, checked_texts
from maskwright.layers.word_characters import narrowed, sentence_marks, word_characters
from maskwright.models.elmo import ElmoConfig
from maskwright.objectives.both_ways import BEGIN, END, sentence_batch
from maskwright.tokenizers.loading import load_tokenizer
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.training.both_ways_lm import BothWaysLM, both_ways_lm, neighbours

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


class _Sentence(NamedTuple):
    """A text's words as they are read, and their ids in the vocabulary."""

    words: list[str]
    ids: list[int]


class ElmoEncoder:
    """The two language models with their tokenizer."""

    def __init__(self, model: BothWaysLM, tokenizer: Tokenizer, *, where: str = "") -> None:
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self._where = where or "this model"
        self._device = model.encoder.characters.table.device
        self._lowercase = bool(getattr(getattr(tokenizer, "options", None), "lowercase", False))

    @property
    def config(self) -> ElmoConfig:
        """The network's shape."""
        return self.model.encoder.config

    def tokenize(self, text: Text, *, truncate: bool = False) -> list[str]:
        """The words of a text, or of a pair one after the other, with <S> and </S>. Nothing is too long."""
        (sentences,) = self._sentences([text])
        return [token for one in sentences for token in (BEGIN, *one.words, END)]

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

    def _scored(self, sentence: _Sentence) -> Scores:
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
        tokens = [BEGIN, *sentence.words, END]
        return Scores(tokens, np.concatenate([nothing, likely[0]]), np.concatenate([likely[1], nothing]))

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

    def _sentences(self, texts: Sequence[Text]) -> list[list[_Sentence]]:
        """One sentence for each text, two for a pair."""
        checked = checked_texts(texts)
        parts = [part for text in checked for part in ((text,) if isinstance(text, str) else text)]
        clean = [part.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for part in parts]
        sides = iter(zip(clean, self.tokenizer.sides(clean, special_in_text=False), strict=True))
        unknown = self.tokenizer.unk_id

        def sentence() -> _Sentence:
            text, side = next(sides)
            words = [
                token if number != unknown else self._written(text[begin:end])
                for token, number, (begin, end) in zip(side.tokens, side.ids, side.offsets, strict=True)
            ]
            return _Sentence(words, side.ids)

        return [[sentence() for _ in range(1 if isinstance(text, str) else 2)] for text in checked]

    def _written(self, word: str) -> str:
        return word.lower() if self._lowercase else word

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

    def _batches(self, sentences: Sequence[_Sentence]) -> Iterator[tuple[list[int], Batch]]:
        """Sentences of like length together, long ones first: which, and their batch."""
        lengths = np.array([len(one.words) + 2 for one in sentences], dtype=np.int64)
        order = cast("list[int]", np.argsort(-lengths, kind="stable").tolist())
        while order:
            size = max(1, TOKEN_BUDGET // int(lengths[order[0]]))
            which, order = order[:size], order[size:]
            yield which, self._batch([sentences[i] for i in which])

    def _batch(self, sentences: Sequence[_Sentence]) -> Batch:
        """These side by side, each word with its characters."""
        width, size = self.config.max_characters, self.config.vocab_size
        ids = np.array([number for one in sentences for number in one.ids], dtype=np.int64)
        lengths = np.array([len(one.words) for one in sentences], dtype=np.int64)
        batch = sentence_batch(ids, lengths, size, size + 1)
        words = [word for one in sentences for word in one.words]
        places = {word: place for place, word in enumerate(dict.fromkeys(words), 2)}
        rows = np.where(batch.token_ids.numpy() == size + 1, 1, 0)
        rows[batch.token_ids.numpy() < size] = [places[word] for word in words]
        characters = np.concatenate([sentence_marks(width), word_characters(list(places), width)])
        known = narrowed(characters, max(filter_width for filter_width, _ in self.config.filters))
        return replace(
            batch, char_ids=torch.from_numpy(known.astype(np.int64)), char_rows=torch.from_numpy(rows.astype(np.int64))
        ).to(self._device)


def load_elmo(folder: Path, *, dtype: torch.dtype, device: torch.device) -> ElmoEncoder:
    """The model in a folder; BadInput in one line for a folder that is not whole or holds something else."""
    found = read_elmo(folder)
    tokenizer = load_tokenizer(folder)
    if tokenizer.vocab_size > found.config.vocab_size:
        raise BadInput(
            f"{folder}: the tokenizer has {tokenizer.vocab_size} tokens, the network {found.config.vocab_size}: "
            "they do not belong together"
        )
    model = both_ways_lm(found.config, softmax=found.has_softmax, device="meta")
    found.check(model)  # before there is memory for what config.json claims
    model = model.to_empty(device=device)
    found.fill(model)
    return ElmoEncoder(model.to(dtype), tokenizer, where=str(folder))
