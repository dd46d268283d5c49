"""A finished model: fill blanks, encode texts, see token vectors and attention.

Texts become flat batches sorted by length, with a budget of tokens each; answers come in the order of
the texts. Nothing is drawn, no global state is touched, and the same call gives the same bits.
"""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from maskwright.batch import Batch, Integers, flat_batch
from maskwright.checkpoints.sentence_vectors import SentenceVectors
from maskwright.errors import BadInput
from maskwright.inference.adapters import task_of
from maskwright.inference.answers import Answers
from maskwright.inference.generation import Generated, Sampling, Scored, generate, rank, score
from maskwright.inference.texts import Text, checked_texts
from maskwright.layers.eight_bits import in_eight_bits
from maskwright.layers.looking import quicken
from maskwright.layers.network import first_vectors
from maskwright.models import ModelConfig, segments_of
from maskwright.models.xlm import XlmConfig
from maskwright.objectives.decoder_head import DecoderHead
from maskwright.objectives.masked_lm_head import MaskedLMHead
from maskwright.tasks.answering import Task
from maskwright.tasks.choices import Chosen
from maskwright.tasks.data import SplitData
from maskwright.tasks.inputs import transformer_inputs
from maskwright.tasks.predictions import Prediction
from maskwright.tasks.span_answers import Answered
from maskwright.tokenizers.pairs import EncodedPair
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.training.pretraining import Pretraining

Pooling = Literal["mean", "cls", "pooler"]
Vectors = npt.NDArray[np.float32]

TOKEN_BUDGET = 4096  # of a batch; more gains nothing on a CPU, and a laptop's memory holds it


class Candidate(NamedTuple):
    """A guess for a masked token: the token, its id, and its share of the probability."""

    token: str
    id: int
    probability: float


class Encoder:
    """A network with its tokenizer. Texts longer than its positions are an error unless `truncate=True`.

    Strings such as "[MASK]" and "[SEP]" (in RoBERTa "<mask>" and "</s>") in a text are the special tokens, as in
    stock tokenizers.
    """

    def __init__(
        self,
        model: Pretraining,
        tokenizer: Tokenizer,
        *,
        has_pooler: bool = True,
        where: str = "",
        task: Task | None = None,
        sentences: SentenceVectors | None = None,
    ) -> None:
        """sentences   what its folder says of vectors of texts, which `encode` then makes where nobody says more"""
        self.sentences = sentences
        self.model = model.eval().requires_grad_(False)
        quicken(model)
        self.task = task
        if task is not None:
            task.model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.has_pooler = has_pooler
        self._where = where or "this model"
        self._language = 0
        self._eight_bits = False
        table = model.encoder.token_table
        self._device = table.device

    @property
    def config(self) -> ModelConfig:
        """The network's shape."""
        return cast("ModelConfig", self.model.encoder.config)

    @property
    def language(self) -> int:
        """The number of the language that an XLM takes texts to be in; 0 in other networks."""
        return self._language

    def in_language(self, language: str | int) -> "Encoder":
        """The same encoder for texts in another language: its name or its number. An XLM's is number 0 otherwise."""
        known = self.config.languages if isinstance(self.config, XlmConfig) else ()
        count = self.config.n_langs if isinstance(self.config, XlmConfig) and self.config.knows_languages else 0
        number = known.index(language) if isinstance(language, str) and language in known else language
        if not isinstance(number, int) or not 0 <= number < count:
            there = ", ".join(known) or (f"0 to {count - 1}" if count else "none: it is told no language")
            raise BadInput(f"{self._where} knows no language {language!r} (there are {there})")
        other = copy(self)
        other._language = number
        return other

    def adapted(self, folder: str | Path) -> "Encoder":
        """A task that was learned by an adapter (`--adapter lora`), on this encoder, whose weights both share.

        Its task answers with the change; whatever is no task (`encode`, `token_vectors`) is the encoder's own.
        BadInput for an adapter of another encoder.
        """
        if self._eight_bits:
            raise BadInput(f"{self._where} is in int8, which an adapter cannot change: load it in another dtype")
        other = copy(self)
        other.task = task_of(folder, self.model.encoder)
        other.task.model.eval().requires_grad_(False)
        other._where = str(folder)
        return other

    def in_eight_bits(self) -> "Encoder":
        """This encoder, its layers' products of 8-bit integers from now on. BadInput where that cannot be."""
        in_eight_bits(self.model.encoder)
        self._eight_bits = True
        return self

    def tokenize(self, text: Text, *, truncate: bool = False) -> list[str]:
        """The tokens of a text or a pair, special tokens included."""
        return list(self.encoded([text], truncate)[0].tokens)

    def fill(self, text: Text, top: int = 5, *, truncate: bool = False) -> list[list[Candidate]]:
        """The `top` likeliest tokens for each [MASK] of a text, best first: one list a mask.

        Probabilities are shares of the whole vocabulary. Raises BadInput for a text without [MASK], which is
        <mask> in RoBERTa.
        """
        return self.fill_many([text], top, truncate=truncate)[0]

    def fill_many(self, texts: Sequence[Text], top: int = 5, *, truncate: bool = False) -> list[list[list[Candidate]]]:
        """As `fill`, for many texts at once."""
        heads = dict(self.model.heads.items())
        head = heads.get("mlm", heads.get("plm"))
        if self.model.encoder.causal:
            raise BadInput(
                f"{self._where} reads from left to right, so it fills no blank without what follows: give candidates "
                "to choose from (rank), or let it write on (generate)"
            )
        if not isinstance(head, (MaskedLMHead, DecoderHead)):
            raise BadInput(f"{self._where} has no head for masked tokens: choose a model pretrained with masks")
        if not 1 <= top <= self.config.vocab_size:
            raise BadInput(f"top {top}: choose 1 to {self.config.vocab_size}, the tokens of the vocabulary")
        if (mask_id := self.tokenizer.mask_id) is None:
            raise BadInput(
                f"{self._where} has a tokenizer of {self.tokenizer.kind} without [MASK]: nothing can be filled"
            )
        encoded = self.encoded(texts, truncate)
        masks = [np.flatnonzero(one.ids == mask_id) for one in encoded]
        if unmasked := [i for i, found in enumerate(masks) if not len(found)]:
            cut, mask = " in the part that is kept" if truncate else "", self.tokenizer.id_to_token(mask_id)
            raise BadInput(f"no {mask}{cut} in {texts[unmasked[0]]!r:.80}: write {mask} where a word is to be guessed")
        answers: list[list[list[Candidate]]] = [[] for _ in texts]
        for which, batch in self._batches(encoded):
            starts = batch.cu_seqlens.tolist()
            rows = np.concatenate([starts[n] + masks[i] for n, i in enumerate(which)])
            at = torch.from_numpy(rows).to(self._device)
            with torch.inference_mode():
                if "plm" in heads:  # predictions of what no token sees: the masks are last, and do not see each other
                    ordered = replace(batch, ranks=(batch.token_ids == mask_id).long() - 1)
                    last = self.model.encoder(ordered, rows=at)
                else:
                    last = self.model.encoder(batch).index_select(0, at)
                shares = head.scores(last, self.model.encoder.token_table).float().softmax(-1)
                best = shares.topk(top)
            guesses = zip(best.indices.tolist(), best.values.tolist(), strict=True)
            for i in which:
                answers[i] = [self._candidates(*next(guesses)) for _ in masks[i]]
        return answers

    def generate(
        self,
        prompt: str,
        *,
        max_tokens: int = 50,
        samples: int = 1,
        temperature: float = 1.0,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> list[Generated]:
        """Continuations of a prompt, drawn token by token; the same seed gives the same.

        temperature   scores are divided by it; 0 takes the likeliest token
        top_p         only the likeliest tokens that together have this share are drawn from

        A GPT was made for it. A masked model is asked for a [MASK] behind what is there, again and again.
        """
        sampling = Sampling(temperature, top_p)
        return generate(
            self.model, self.tokenizer, prompt, max_tokens=max_tokens, samples=samples, sampling=sampling, seed=seed
        )

    def score(self, texts: Sequence[str] | str) -> list[Scored]:
        """How likely a GPT finds each text: the probability of each token after those before it, in nats."""
        return score(self.model, self.tokenizer, [texts] if isinstance(texts, str) else texts)

    def rank(self, text: str, candidates: Sequence[str]) -> list[tuple[str, float]]:
        """Which candidate a GPT finds likeliest in the blank of a text, [MASK]: their shares, best first."""
        return rank(self.score, text, candidates)

    def encode(
        self,
        texts: Sequence[Text] | str,
        pooling: Pooling | None = None,
        normalize: bool | None = None,
        *,
        truncate: bool = False,
    ) -> Vectors:
        """One vector a text or pair of texts: float32 (N, H).

        Where nothing is said of both: as a sentence-transformers folder has it, else mean, and any length.

        pooling     mean: of the last layer over all tokens of the text, [CLS] and [SEP] included, as
                    sentence-transformers' mean pooling does; cls: the last layer at [CLS], which is a text's
                    first token, or in XLNet its last; pooler: that,
                    through the network's tanh projection
        normalize   scale each vector to length 1
        """
        if pooling is None:
            said = self.sentences or SentenceVectors("mean", normalize=False)
            pooling, normalize = cast("Pooling", said.pooling), said.normalize if normalize is None else normalize
        if pooling not in get_args(Pooling):
            raise BadInput(f"pooling {pooling!r}: there are {', '.join(get_args(Pooling))}")
        if pooling == "pooler" and not self.has_pooler:
            raise BadInput(f"{self._where} has no pooler: take mean or cls")
        encoded = self.encoded([texts] if isinstance(texts, str) else texts, truncate)
        vectors = np.empty((len(encoded), self.config.hidden_size), dtype=np.float32)
        for which, batch in self._batches(encoded):
            with torch.inference_mode():
                pooled = self._pooled(self.model.encoder(batch), batch, pooling).float()
                if normalize:
                    pooled = torch.nn.functional.normalize(pooled, dim=-1)
            vectors[which] = pooled.cpu().numpy()
        return vectors

    def predict(self, texts: Sequence[Text] | str, *, truncate: bool = False) -> list[Prediction]:
        """What a fine-tuned model answers for each text or pair. BadInput for a model without a task."""
        return self._answers.predict(texts, truncate=truncate)

    def tag(self, sentences: Sequence[Sequence[str]], *, joined: bool = False) -> list[list[str]]:
        """The tag of each word of each sentence. BadInput for a model that was not fine-tuned to tag.

        joined   nothing stands between words, as between Chinese characters; else a space does

        A sentence that is too long is read in several windows of whole words.
        """
        return self._answers.tag(sentences, joined=joined)

    def segment(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of each Chinese text, without white space. BadInput for a model that was not fine-tuned to segment.

        A text that is too long is read in several windows of characters.
        """
        return self._answers.segment(texts)

    def answer(self, question: str, context: str, top: int = 1, *, truncate: bool = False) -> list[Answered]:
        """Where in the context a question's answer stands: the `top` best, the one that is given first.

        A model that learned from questions without an answer may say that there is none: its text is "". A context that
        is too long is read in overlapping stretches; a question that is too long is an error unless `truncate=True`.
        BadInput for a model that was not fine-tuned to answer.
        """
        return self.answer_many([(question, context)], top, truncate=truncate)[0]

    def answer_many(
        self, questions: Sequence[tuple[str, str]], top: int = 1, *, truncate: bool = False
    ) -> list[list[Answered]]:
        """As `answer`, for many questions at once, each with its context."""
        return self._answers.answer(questions, top, truncate=truncate)

    def choose(self, first: str, options: Sequence[str | tuple[str, ...]], *, truncate: bool = False) -> Chosen:
        """Which option follows a text, with the probability of each. BadInput for a model that was not fine-tuned to.

        options   two or more; one of several texts (a question and an answer) is a tuple of them
        """
        return self.choose_many([(first, options)], truncate=truncate)[0]

    def choose_many(
        self, choices: Sequence[tuple[str, Sequence[str | tuple[str, ...]]]], *, truncate: bool = False
    ) -> list[Chosen]:
        """As `choose`, for many at once; they may have options of different numbers."""
        return self._answers.choose(choices, truncate=truncate)

    def examples(self, examples: Sequence[Any], *, length: int | None = None) -> SplitData:
        """Examples of a fine-tuned model's shape as it reads them: `examples(...).answers(encoder.task.model)`.

        length   the most tokens of a sequence; None: the model's positions

        BadInput for a model without a task, and for more tokens than it has positions.
        """
        return self._answers.examples(examples, length)

    @property
    def _answers(self) -> Answers:
        inputs = transformer_inputs(self.config, self.tokenizer, self._language)
        return Answers(self._where, self.task, inputs, longest=self.config.longest)

    def token_vectors(self, texts: Sequence[Text] | str, layer: int = -1, *, truncate: bool = False) -> list[Vectors]:
        """The vectors of every token at a layer: float32 (S_i, H) for each text, special tokens included.

        layer   0 = the embeddings' output, 1 to L = that layer's; negative ones count from the last
        """
        layers = len(self.model.encoder.layers)
        if not -layers - 1 <= layer <= layers:
            raise BadInput(f"layer {layer}: choose 0 (embeddings) to {layers}, or -1 (the last) to {-layers - 1}")
        encoded = self.encoded([texts] if isinstance(texts, str) else texts, truncate)
        vectors: list[Vectors] = [np.empty(0, np.float32)] * len(encoded)
        for which, batch in self._batches(encoded):
            with torch.inference_mode():
                states = self.model.encoder.hidden_states(batch)[layer].float().cpu().numpy()
            for i, rows in zip(which, np.split(states, batch.cu_seqlens[1:-1].tolist()), strict=True):
                vectors[i] = rows.copy()
        return vectors

    def attention(self, text: Text, *, truncate: bool = False) -> Vectors:
        """The attention weights of a text or a pair: float32 (L, A, S, S); row i is what token i looks at."""
        ((_, batch),) = self._batches(self.encoded([text], truncate))
        if not len(self.model.encoder.layers):
            return np.zeros((0, self.config.num_attention_heads, batch.num_tokens, batch.num_tokens), np.float32)
        with torch.inference_mode():
            return self.model.encoder.attention_weights(batch)[0].float().cpu().numpy()

    def encoded(self, texts: Sequence[Text], truncate: bool = False) -> list[EncodedPair]:
        """Texts as the network reads them; BadInput for one that is too long, unless it may be truncated."""
        return self.tokenizer.encode_pairs(checked_texts(texts), max_length=self.config.longest, truncate=truncate)

    def _batches(self, encoded: Sequence[EncodedPair]) -> Iterator[tuple[list[int], Batch]]:
        """Texts of like length together, long ones first: which texts, and their flat batch."""
        lengths = np.array([len(one.ids) for one in encoded], dtype=np.int64)
        order = np.argsort(-lengths, kind="stable").tolist()
        while order:
            size = max(1, TOKEN_BUDGET // max(1, int(lengths[order[0]])))
            which, order = order[:size], order[size:]
            yield which, self._batch([encoded[i] for i in which], lengths[which])

    def _batch(self, encoded: Sequence[EncodedPair], lengths: Integers) -> Batch:
        """These texts side by side, with what the network reads beside tokens."""
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        token_ids = np.concatenate([one.ids for one in encoded])
        reads = self.model.encoder.reads
        if "token_type_ids" not in reads:
            languages = np.full_like(token_ids, self._language) if "language_ids" in reads else None
            return flat_batch(token_ids, ends, language_ids=languages).to(self._device)
        token_types, segments = np.concatenate([one.type_ids for one in encoded]), segments_of(self.config)
        # a network of one segment has no row for the second text of a pair
        if (largest := int(token_types.max(initial=0))) >= segments:
            raise BadInput(f"a pair has {largest + 1} segments, {self._where} knows {segments}")
        return flat_batch(token_ids, ends, token_types).to(self._device)

    def _pooled(self, last: Tensor, batch: Batch, pooling: Pooling) -> Tensor:
        """(T, H) -> (N, H); of zeros for a text without a token, which tokenizers without special tokens can give."""
        if pooling == "pooler":
            return self.model.encoder.pooled(last, batch)
        lengths = batch.cu_seqlens.diff().long()
        if pooling == "cls":
            found = first_vectors(last, batch)
            if self._ends_with_cls and batch.num_tokens:
                found = last.index_select(0, (batch.cu_seqlens[1:].long() - 1).clamp(min=0))
            return found * (lengths > 0)[:, None]
        means = torch.segment_reduce(last.float(), "mean", lengths=lengths)
        return means.masked_fill((lengths == 0)[:, None], 0)

    @property
    def _ends_with_cls(self) -> bool:
        """Whether [CLS] stands behind the text, as in XLNet."""
        tokenizer = self.tokenizer
        return tokenizer.cls_id is not None and tokenizer.layout.single[-1][0] == tokenizer.id_to_token(
            tokenizer.cls_id
        )

    def _candidates(self, ids: list[int], probabilities: list[float]) -> list[Candidate]:
        known = self.tokenizer.vocab_size
        names = [self.tokenizer.id_to_token(i) if i < known else f"[unused row {i}]" for i in ids]
        return [Candidate(*each) for each in zip(names, ids, probabilities, strict=True)]
