"""What embeddings begin as: word2vec's vectors, learned here or from a file, and sinusoids."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from gensim.models import KeyedVectors

from maskwright.errors import BadInput
from maskwright.layers.positions import sinusoids
from maskwright.models.bert import BertConfig, bert
from maskwright.text.samples import sample
from maskwright.tokenizers.wordpiece import WordPiece
from maskwright.training.start import StartConfig, start_embeddings
from maskwright.training.word2vec import word_vectors
from tests.training.splits import split_of


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


def test_word2vec_lands_centred_and_scaled_in_the_rows_it_covers(corpus):
    made = embeddings(corpus)
    start_embeddings(made, StartConfig(tokens="word2vec", epochs=1, token_deviation=0.05), corpus, seed=0)
    table = made.token.detach().numpy()
    rows, vectors, _ = word_vectors(corpus.train, 16, StartConfig(epochs=1).word2vec(seed=0))
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


def test_a_file_of_vectors_lands_in_the_rows_it_has(corpus, tmp_path):
    vocabulary = corpus.tokenizer.tokens
    given = KeyedVectors(vector_size=16)
    tokens = [vocabulary[50], "nowhere-to-be-found", vocabulary[300], vocabulary[77], "语"]
    given.add_vectors(tokens, np.random.default_rng(0).normal(size=(5, 16)).astype(np.float32))
    given.save_word2vec_format(str(tmp_path / "vectors.txt"), binary=False)
    made, lines = embeddings(corpus), []
    start_embeddings(
        made,
        StartConfig(tokens=str(tmp_path / "vectors.txt")),
        corpus,
        seed=0,
        progress=SimpleNamespace(say=lines.append),
    )
    assert torch.nonzero((made.token != 7.0).any(1)).flatten().tolist() == [50, 77, 300]
    assert f"3 of {len(vocabulary):,} tokens covered" in lines[0]


def test_a_misspelt_start_hears_what_there_is(corpus):
    with pytest.raises(BadInput, match=r"word2vek is no file that is there: give random, word2vec, or"):
        start_embeddings(embeddings(corpus), StartConfig(tokens="word2vek"), corpus, seed=1)
