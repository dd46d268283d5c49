"""What embeddings begin as: word2vec's vectors, equal in every process, and files in its format."""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from gensim.models import KeyedVectors

from maskwright.corpus.read import Split
from maskwright.errors import BadInput
from maskwright.layers.positions import sinusoids
from maskwright.models.bert import BertConfig, bert
from maskwright.text.samples import sample
from maskwright.tokenizers.wordpiece import WordPiece
from maskwright.training.start import StartConfig, read_vectors, skip_gram, start_embeddings


def split_of(chapters, tokenizer):
    encoded = [tokenizer.encode_sentences(list(chapter.sentences)) for chapter in chapters]
    lengths = np.concatenate([one.lengths for one in encoded])
    return Split.from_arrays(
        np.concatenate([one.token_ids for one in encoded]),
        np.concatenate([one.word_starts for one in encoded]),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.concatenate([[0], np.cumsum([len(one.lengths) for one in encoded])]),
    )


@pytest.fixture(scope="module")
def corpus():
    chapters = sample("en")[50:58]
    tokenizer = WordPiece.train([text for chapter in chapters for text in chapter.sentences], 1_500)
    return SimpleNamespace(train=split_of(chapters, tokenizer), tokenizer=tokenizer)


def embeddings(corpus, hidden_size=16):
    made = bert(
        BertConfig(vocab_size=corpus.tokenizer.vocab_size, hidden_size=hidden_size, num_attention_heads=2)
    ).embeddings
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.fill_(7.0)
    return made


IN_A_PROCESS = """
import hashlib, sys
import numpy as np
from maskwright.corpus.read import Split
from maskwright.training.start import skip_gram
ids = np.load(sys.argv[1])
split = Split.from_arrays(ids, np.ones(len(ids), np.uint8), np.array([0, len(ids)]), np.array([0, 1]))
rows, vectors = skip_gram(split, 24, 5, 2, int(sys.argv[2]))
print(hashlib.sha256(rows.tobytes() + vectors.tobytes()).hexdigest())
"""


def test_two_processes_make_the_same_table_and_another_seed_another(corpus, tmp_path):
    ids, _ = corpus.train.gather(np.array([0]), np.array([corpus.train.num_tokens]))
    np.save(tmp_path / "ids.npy", ids)

    def begun(seed, hashes):
        environment = {**os.environ, "PYTHONHASHSEED": hashes}
        command = [sys.executable, "-c", IN_A_PROCESS, str(tmp_path / "ids.npy"), str(seed)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    first, again, other = (process.communicate()[0] for process in [begun(0, "1"), begun(0, "2"), begun(1, "1")])
    assert len(first.strip()) == 64
    assert again == first
    assert other != first


def test_every_token_of_the_training_documents_has_a_vector_and_no_other(corpus):
    rows, vectors = skip_gram(corpus.train, 8, 5, 1, 0)
    ids, _ = corpus.train.gather(np.array([0]), np.array([corpus.train.num_tokens]))
    assert sorted(rows.tolist()) == np.unique(ids).tolist()
    assert vectors.shape == (len(rows), 8) and vectors.dtype == np.float32 and np.isfinite(vectors).all()


def test_tokens_that_stand_in_like_places_get_like_vectors():
    # Two families of words that never mix: members of one are nearer to each other than to the other's.
    draw = np.random.default_rng(0)
    families = draw.integers(2, size=1_500).repeat(12)
    ids = families * 10 + draw.integers(10, size=len(families))
    split = Split.from_arrays(ids, np.ones(len(ids)), np.array([0, len(ids)]), np.array([0, 1]))
    rows, vectors = skip_gram(split, 16, 5, 10, 0)
    unit = vectors[np.argsort(rows)] - vectors.mean(0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosines = unit @ unit.T
    within, between = cosines[:10, :10][~np.eye(10, dtype=bool)], cosines[:10, 10:]
    assert within.mean() > between.mean() + 0.5


def test_word2vec_lands_centred_and_scaled_in_the_rows_it_covers(corpus):
    made = embeddings(corpus)
    start_embeddings(made, StartConfig(tokens="word2vec", epochs=1, token_deviation=0.05), corpus, seed=0)
    table = made.token.detach().numpy()
    rows, vectors = skip_gram(corpus.train, 16, 5, 1, 0)
    covered = np.zeros(len(table), bool)
    covered[rows] = True
    assert (table[~covered] == 7.0).all() and not covered[corpus.tokenizer.mask_id]
    assert np.abs(table[covered].mean(0)).max() < 1e-6 and abs(table[covered].std() - 0.05) < 1e-6
    centred = vectors - vectors.mean(0)
    np.testing.assert_allclose(table[rows], centred * (0.05 / centred.std()), atol=1e-6)


def test_positions_from_sinusoids_and_the_rest_untouched(corpus):
    made = embeddings(corpus)
    start_embeddings(made, StartConfig(positions="sinusoids", position_scale=0.1), corpus, seed=0)
    assert torch.equal(made.position.weight, 0.1 * sinusoids(512, 16))
    assert bool((made.token == 7.0).all())


def saved(path, tokens, vectors):
    vectors_of = KeyedVectors(vector_size=vectors.shape[1])
    vectors_of.add_vectors(tokens, vectors)
    vectors_of.save_word2vec_format(str(path), binary=False)


def test_a_file_that_gensim_wrote_is_read_back(corpus, tmp_path):
    vocabulary = corpus.tokenizer.tokens
    known = [vocabulary[i] for i in (50, 300, 77)]
    vectors = np.random.default_rng(0).normal(size=(5, 16)).astype(np.float32)
    saved(tmp_path / "vectors.txt", [known[0], "nowhere-to-be-found", *known[1:], "语"], vectors)
    ids, read = read_vectors(tmp_path / "vectors.txt", vocabulary, 16)
    assert ids.tolist() == [50, 300, 77]
    np.testing.assert_allclose(read, vectors[[0, 2, 3]], rtol=1e-6)
    made, lines = embeddings(corpus), []
    start_embeddings(
        made,
        StartConfig(tokens=str(tmp_path / "vectors.txt")),
        corpus,
        seed=0,
        progress=SimpleNamespace(say=lines.append),
    )
    assert int((made.token != 7.0).any(1).sum()) == 3
    assert f"3 of {len(vocabulary):,} tokens covered" in lines[0]


def test_a_misspelt_start_hears_what_there_is(corpus):
    with pytest.raises(BadInput, match=r"word2vek is no file that is there: give random, word2vec, or"):
        start_embeddings(embeddings(corpus), StartConfig(tokens="word2vek"), corpus, seed=1)


def test_the_first_vector_of_a_token_counts(tmp_path):
    path = tmp_path / "twice.txt"
    path.write_text("3 2\na 1 2\na 3 4\nb 5 6\n", encoding="utf-8")
    ids, read = read_vectors(path, ("a", "b"), 2)
    assert ids.tolist() == [0, 1] and read.tolist() == [[1, 2], [5, 6]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a 1 2\nb 3 4\n", "line 1"),
        ("", "line 1"),
        ("2 3\na 1 2 3\nb 4 5 6\n", "vectors of 3 numbers, but the model's hidden size is 2"),
        ("2 2\na 1 2\nb 3\n", r"line 3 \('b'\)"),
        ("2 2\na 1 x\nb 3 4\n", "line 2"),
        ("2 2\na 1 nan\nb 3 4\n", "line 2"),
        ("2 2\nz 1 2\ny 3 4\n", "none of its tokens"),
        ("2 2\na 1 2\nb 1 2\n", "are all the same"),
        ("2 2\na \x01\x02\x03b\x04\n", "line 2 holds 1 numbers, not 2: a binary"),
    ],
)
def test_a_file_that_will_not_do_is_named_with_its_line(tmp_path, text, told):
    path = tmp_path / "bad.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=told) as caught:
        read_vectors(path, ("a", "b"), 2)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
