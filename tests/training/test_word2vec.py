"""word2vec: the published settings by name, equal vectors in every process, likeness of tokens in like places."""

import os
import subprocess
import sys
from types import SimpleNamespace

import gensim.models.word2vec
import numpy as np
import pytest

from maskwright.corpus.read import Split
from maskwright.errors import BadInput
from maskwright.text.samples import sample
from maskwright.tokenizers.wordpiece import WordPiece
from maskwright.training.word2vec import Word2VecConfig, gensim_settings, word_vectors
from tests.training.splits import split_of

ALL = Word2VecConfig(epochs=1, min_count=1)


@pytest.fixture(scope="module")
def corpus():
    chapters = sample("en")[50:58]
    tokenizer = WordPiece.train([text for chapter in chapters for text in chapter.sentences], 1_500)
    return SimpleNamespace(train=split_of(chapters, tokenizer), tokenizer=tokenizer)


# word2vec.c: size 100, window 5, sample 1e-3, hs 0, negative 5, iter 5, min-count 5, alpha 0.05 for CBOW and 0.025 for
# skip-gram, falling to a ten-thousandth of itself, power 0.75; 1310.4546, sections 2.2 and 2.3.
PUBLISHED = {
    "vector_size": 100, "window": 5, "shrink_windows": True, "sample": 1e-3, "hs": 0, "negative": 5, "epochs": 5,
    "min_count": 5, "ns_exponent": 0.75, "cbow_mean": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("architecture", "own"),
    [
        ("skip_gram", {"sg": 1, "alpha": 0.025, "min_alpha": 0.025e-4}),
        ("cbow", {"sg": 0, "alpha": 0.05, "min_alpha": 0.05e-4}),
    ],
)
def test_gensim_is_run_with_the_published_settings(corpus, monkeypatch, architecture, own):
    given = gensim_settings(100, Word2VecConfig(architecture=architecture))
    assert {name: given[name] for name in PUBLISHED} == PUBLISHED and given["workers"] == 1
    assert {name: given[name] for name in own} == pytest.approx(own)
    seen = []
    plain = gensim.models.word2vec.Word2Vec.train
    monkeypatch.setattr(
        gensim.models.word2vec.Word2Vec, "train", lambda self, *a, **k: seen.append((self, k)) or plain(self, *a, **k)
    )
    word_vectors(corpus.train, 100, Word2VecConfig(architecture=architecture, epochs=1))
    ((model, told),) = seen
    assert told["epochs"] == 1 and "start_alpha" not in told and "end_alpha" not in told
    assert (model.sg, model.alpha, model.min_alpha) == pytest.approx((own["sg"], own["alpha"], own["min_alpha"]))
    assert (model.vector_size, model.window, model.sample, model.hs) == (100, 5, 1e-3, 0)
    assert (model.negative, model.ns_exponent, model.cbow_mean, model.shrink_windows) == (5, 0.75, 1, 1)
    # negatives are drawn in proportion to count ** 0.75
    counts = np.array([model.wv.get_vecattr(name, "count") for name in model.wv.index_to_key])
    shares = np.diff(np.concatenate([[0], model.cum_table])) / model.cum_table[-1]
    np.testing.assert_allclose(shares, counts**0.75 / (counts**0.75).sum(), atol=1e-8)


IN_A_PROCESS = """
import hashlib, sys
import numpy as np
from maskwright.corpus.read import Split
from maskwright.training.word2vec import Word2VecConfig, word_vectors
ids = np.load(sys.argv[1])
split = Split.from_arrays(ids, np.ones(len(ids), np.uint8), np.array([0, len(ids)]), np.array([0, 1]))
config = Word2VecConfig(architecture=sys.argv[3], epochs=2, min_count=1, seed=int(sys.argv[2]))
rows, vectors, _ = word_vectors(split, 24, config)
print(hashlib.sha256(rows.tobytes() + vectors.tobytes()).hexdigest())
"""


@pytest.mark.parametrize("architecture", ["skip_gram", "cbow"])
def test_two_processes_make_the_same_table_and_another_seed_another(corpus, tmp_path, architecture):
    ids, _ = corpus.train.gather(np.array([0]), np.array([corpus.train.num_tokens]))
    np.save(tmp_path / "ids.npy", ids)

    def begun(seed, hashes):
        environment = {**os.environ, "PYTHONHASHSEED": hashes}
        command = [sys.executable, "-c", IN_A_PROCESS, str(tmp_path / "ids.npy"), str(seed), architecture]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    first, again, other = (process.communicate()[0] for process in [begun(0, "1"), begun(0, "2"), begun(1, "1")])
    assert len(first.strip()) == 64
    assert again == first
    assert other != first


def test_every_frequent_token_of_the_training_documents_has_a_vector_and_no_other(corpus):
    ids, _ = corpus.train.gather(np.array([0]), np.array([corpus.train.num_tokens]))
    there = np.bincount(ids)
    for least in (1, 5):
        rows, vectors, counts = word_vectors(corpus.train, 8, Word2VecConfig(epochs=1, min_count=least))
        assert sorted(rows.tolist()) == np.flatnonzero(there >= least).tolist()
        assert counts.tolist() == there[rows].tolist() == sorted(counts, reverse=True)
        assert vectors.shape == (len(rows), 8) and vectors.dtype == np.float32 and np.isfinite(vectors).all()


@pytest.mark.parametrize("architecture", ["skip_gram", "cbow"])
def test_tokens_that_stand_in_like_places_get_like_vectors(architecture):
    # Two families of words that never mix: members of one are nearer to each other than to the other's.
    draw = np.random.default_rng(0)
    families = draw.integers(2, size=1_500).repeat(12)
    ids = families * 10 + draw.integers(10, size=len(families))
    split = Split.from_arrays(ids, np.ones(len(ids)), np.array([0, len(ids)]), np.array([0, 1]))
    # few words of even frequency: none is left out as too frequent
    rows, vectors, _ = word_vectors(split, 16, Word2VecConfig(architecture=architecture, epochs=20, sample=0))
    unit = vectors[np.argsort(rows)] - vectors.mean(0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosines = unit @ unit.T
    within, between = cosines[:10, :10][~np.eye(10, dtype=bool)], cosines[:10, 10:]
    assert within.mean() > between.mean() + 0.5


def test_text_in_which_nothing_is_frequent_is_refused(corpus):
    with pytest.raises(BadInput, match=r"none of the [\d,]+ training tokens occurs 1000000 times: lower"):
        word_vectors(corpus.train, 8, Word2VecConfig(min_count=1_000_000))
