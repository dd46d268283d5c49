"""Blanks: real words at their places, drawn and not picked; guesses as `fill` gives them."""

from collections import Counter

import numpy as np
import pytest

from maskwright.inference.encoder import Encoder
from maskwright.lab.blanks import draw_blanks, fill_blanks
from maskwright.models.bert import BertConfig
from maskwright.text.samples import sample
from maskwright.tokenizers.wordpiece import WordPiece
from maskwright.training.pretraining import network


@pytest.fixture(scope="module")
def sentences():
    return [(text, chapter.title) for chapter in sample("en")[50:55] for text in chapter.sentences]


@pytest.fixture(scope="module")
def encoder(sentences):
    tokenizer = WordPiece.train([text for text, _ in sentences], 2_000)
    shape = BertConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=256,
    )
    model = network(shape, ["mlm"])
    model.initialise(0.5, seed=0)
    return Encoder(model, tokenizer)


def test_a_hidden_word_is_a_whole_word_of_the_sentence_and_not_a_common_one(sentences, encoder):
    hidden = draw_blanks(sentences, encoder, 60, frequent=50)
    assert len(hidden) == 60 == len({one.sentence for one in hidden})
    pieces = Counter(t for text, _ in sentences for t in encoder.tokenize(text)[1:-1])
    common = {token for token, _ in pieces.most_common(50)}
    for one in hidden:
        assert (one.sentence, one.chapter) in sentences
        written = one.sentence[one.start : one.end]
        assert encoder.tokenizer.encode_pair(written).tokens == ("[CLS]", one.token, "[SEP]")
        around = one.sentence[one.start - 1 : one.start] + one.sentence[one.end : one.end + 1]
        assert not any(letter.isalpha() for letter in around)
        assert one.token not in common and one.token.isalpha()
        assert 12 <= len(encoder.tokenize(one.sentence)) <= 40


def test_which_words_are_drawn_depends_on_the_seed_alone(sentences, encoder):
    assert draw_blanks(sentences, encoder, 9, frequent=50) == draw_blanks(sentences, encoder, 9, frequent=50)
    assert draw_blanks(sentences, encoder, 9, frequent=50) != draw_blanks(sentences, encoder, 9, frequent=50, seed=1)


def test_words_are_drawn_evenly_from_a_sentence():
    sentence = "alpha beta gamma delta alpha2 ."
    tokenizer = WordPiece.train(["alpha beta gamma delta"] * 5 + ["."] * 5, 100)
    shape = BertConfig(vocab_size=tokenizer.vocab_size, hidden_size=4, num_attention_heads=1, num_hidden_layers=0)
    encoder = Encoder(network(shape, ["mlm"]), tokenizer)
    draws = Counter(
        draw_blanks([(sentence, "")], encoder, 1, frequent=0, tokens=(3, 40), seed=seed)[0].token for seed in range(800)
    )
    assert set(draws) == {"alpha", "beta", "gamma", "delta"}  # "alpha2" has two pieces or none of letters
    assert all(abs(count - 200) < 5 * np.sqrt(800 * 3 / 16) for count in draws.values())


def test_guesses_are_those_of_fill(sentences, encoder):
    hidden = draw_blanks(sentences, encoder, 12, frequent=50)
    for one, blank in zip(hidden, fill_blanks(hidden, encoder, top=7)):
        assert blank.before + one.sentence[one.start : one.end] + blank.after == one.sentence
        guesses = encoder.fill(f"{blank.before}[MASK]{blank.after}", top=7)[0]
        assert [token for token, _ in blank.guesses] == [guess.token for guess in guesses]
        np.testing.assert_allclose([p for _, p in blank.guesses], [g.probability for g in guesses], atol=1e-5)
        where = [token for token, _ in blank.guesses]
        assert blank.rank == (where.index(blank.truth) + 1 if blank.truth in where else None)
