"""What every finished run of the bake-off is asked."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from maskwright.corpus.read import Corpus
from maskwright.draws import words
from maskwright.inference.encoder import Encoder
from maskwright.objectives.masked_lm import MasksConfig, mask_sequences
from maskwright.objectives.packed_sentences import PackedSentences
from maskwright.objectives.stream import Stream
from sources.labelled import labelled

LENGTH = 128
JUDGED = 1_024
"""Held-out sequences."""
TEXTS = 4_000
"""Labelled texts, at most."""


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
            )
            tally = head.tally(model.encoder(batch, None, batch.predict_rows), batch, model.encoder)
            sums += [float(tally.loss_sum), float(tally.correct), tally.count]
        answers[what] = {"loss": sums[0] / sums[2], "accuracy": sums[1] / sums[2], "predictions": int(sums[2])}
    return answers


def probe(encoder: Encoder, language: str, packages: Path) -> dict[str, Any]:
    """Accuracy of logistic regression on the mean vectors of labelled texts, learned from a fifth of them.

    Each fifth in turn; texts are cut where the model's positions end.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.preprocessing import StandardScaler

    given = labelled(language, packages)
    keep = np.random.default_rng(0).permutation(len(given.texts))[:TEXTS]
    labels = np.array([given.labels[i] for i in keep])
    vectors = encoder.encode([given.texts[i][:2_000] for i in keep], truncate=True)
    right: list[float] = []
    for judged, learned in StratifiedKFold(5, shuffle=True, random_state=0).split(vectors, labels):
        scale = StandardScaler().fit(vectors[learned])
        model = LogisticRegression(C=0.1, max_iter=2_000).fit(scale.transform(vectors[learned]), labels[learned])
        right.append(float(model.score(scale.transform(vectors[judged]), labels[judged])))
    return {"task": given.name, "accuracy": float(np.mean(right)), "texts": len(labels)}
