"""What every finished run of the bake-off is asked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from comparison.terms import LENGTH
from maskwright.corpus.read import Corpus
from maskwright.draws import words
from maskwright.inference.bag_of_words import BagOfWords
from maskwright.inference.encoder import Encoder
from maskwright.inference.loading import Loaded
from maskwright.lab.sense_score import Example, comparable, score_models
from maskwright.lab.senses import Place, find_place, vectors_at
from maskwright.objectives.masked_lm import MasksConfig, mask_sequences
from maskwright.objectives.packed_sentences import PackedSentences
from maskwright.objectives.stream import Stream
from maskwright.tokenizers.tokenizer import Tokenizer
from sources.labelled import labelled
from sources.tagged import ambiguous, tagged_words
from sources.word_senses import word_senses

JUDGED = 1_024
"""Held-out sequences."""
TEXTS = 4_000
"""Labelled texts, at most."""
USES = 6_000
"""Uses of words, at most."""


@torch.inference_mode()
def held_out(encoder: Encoder, corpus: Corpus) -> dict[str, Any]:
    """Mean loss in nats and accuracy on the same sequences for all, tokens hidden, then whole words."""
    tokenizer, model = corpus.tokenizer, encoder.model
    assert tokenizer.cls_id is not None and tokenizer.sep_id is not None and tokenizer.mask_id is not None
    layout = PackedSentences(
        cls_id=tokenizer.cls_id, sep_id=tokenizer.sep_id, max_length=LENGTH, across_documents=False
    )
    stream = Stream(corpus.held_out, layout, seed=0, dupe_factor=1)
    answers: dict[str, Any] = {}
    head: Any = model.heads["mlm"]
    for what, unit in (("held_out", "token"), ("held_out_words", "word")):
        units = MasksConfig(unit=unit).units()  # pyright: ignore[reportArgumentType]
        sums = np.zeros(3)
        for place in range(min(JUDGED, stream.epoch_sequences(0)) // 32):
            batch = mask_sequences(
                stream.sequences(place, 32),
                words(32, 0, what, place),
                mask_id=tokenizer.mask_id,
                random_ids=tokenizer.vocab_size,
                units=units,
            ).to(encoder.model.encoder.token_table.device)
            tally = head.tally(model.encoder(batch, None, batch.predict_rows), batch, model.encoder)
            sums += [float(tally.loss_sum), float(tally.correct), tally.count]
        answers[what] = {"loss": sums[0] / sums[2], "accuracy": sums[1] / sums[2], "predictions": int(sums[2])}
    return answers


def probe(encoder: Loaded, tokenizer: Tokenizer, language: str, packages: Path) -> dict[str, Any]:
    """Accuracy of logistic regression on the vectors of labelled texts, learned from a fifth of them, each in turn.

    Texts are cut where the positions of the networks that have some end, for all models.
    """
    from scipy.sparse import csr_matrix
    from sklearn.model_selection import StratifiedKFold

    given = labelled(language, packages)
    keep = np.random.default_rng(0).permutation(len(given.texts))[:TEXTS]
    labels = np.array([given.labels[i] for i in keep])
    vectors: Any = encoder.encode(cut([given.texts[i] for i in keep], tokenizer), truncate=True)
    if isinstance(encoder, BagOfWords):
        vectors = csr_matrix(vectors)
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(vectors, labels)
    accuracy = _accuracy(_regression(encoder), vectors, labels, [(learned, judged) for judged, learned in folds])
    return {"task": given.name, "accuracy": accuracy, "texts": len(labels)}


def cut(texts: Sequence[str], tokenizer: Tokenizer) -> list[str]:
    """Each text up to its last token that a sequence of LENGTH has room for."""
    encoded = tokenizer.encode_pairs(list(texts), max_length=LENGTH, truncate=True)
    return [text[: int(one.offsets.max(initial=0))] for text, one in zip(texts, encoded, strict=True)]


def in_context(encoder: Loaded, language: str, packages: Path) -> dict[str, Any] | None:
    """Of words with several parts of speech, how often logistic regression tells which one a use is.

    It sees the vector of the word where it stands, and learns from half of the sentences, then from the others. None
    for a bag of words, which has no vectors of words.
    """
    from sklearn.model_selection import GroupKFold

    if isinstance(encoder, BagOfWords):
        return None
    found = ambiguous(tagged_words(language, packages))
    uses = [found[i] for i in np.random.default_rng(0).permutation(len(found))[:USES]]
    vectors, known = vectors_at(encoder, [Place(*use[:3]) for use in uses])
    kinds = np.array([use.tag for use in uses])[known]
    sentences = np.unique([use.sentence for use in uses], return_inverse=True)[1][known]
    parts = list(GroupKFold(2).split(kinds, groups=sentences))
    return {"accuracy": _accuracy(_regression(encoder), vectors[known], kinds, parts), "uses": len(kinds)}


def senses(encoder: Loaded, packages: Path) -> dict[str, Any] | None:
    """How often two uses of a word in one sense of WordNet are nearer than two in different ones; 0.5 is guessing."""
    if isinstance(encoder, BagOfWords):
        return None
    found = {use[:4]: find_place(use.word, use.sentence) for use in word_senses(packages)}
    examples = [Example(use[:2], place, use[2]) for use, place in found.items() if place]
    score = score_models({"": encoder}, comparable(examples))[""]
    return {"auc": score.auc.mean, "words": score.words}


def _accuracy(model: Any, vectors: Any, labels: Any, parts: Sequence[tuple[Any, Any]]) -> float:
    """The mean over (learned from, judged by)."""
    return float(np.mean([model.fit(vectors[a], labels[a]).score(vectors[b], labels[b]) for a, b in parts]))


def _regression(encoder: Loaded) -> Any:
    """Logistic regression on columns of one scale; a bag's columns keep theirs, which are what TF-IDF is about."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if isinstance(encoder, BagOfWords):
        return LogisticRegression(C=10, max_iter=2_000)
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2_000))
