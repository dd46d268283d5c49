"""Neighbours in context against a plain search, and their choice against counting."""

from collections import Counter

import numpy as np

from maskwright.inference.encoder import Encoder
from maskwright.lab.neighbours import Occurrences, choose_words, find_company, nearest, words_in_context
from maskwright.models.bert import BertConfig
from maskwright.text.samples import sample
from maskwright.text.words import find_segmenter
from maskwright.tokenizers.wordpiece import WordPiece
from maskwright.training.pretraining import network


def made_up(number, width=6, vocabulary=12, sentences=15, seed=0):
    draw = np.random.default_rng(seed)
    return Occurrences(
        (draw.normal(size=(number, width)) + 5).astype(np.float32),
        np.array([f"w{i}" for i in draw.integers(vocabulary, size=number)]),
        draw.integers(sentences, size=number),
    )


def searched(o, query, count):
    """The same by looking at every place in turn."""
    centred = o.vectors.astype(np.float64) - o.vectors.astype(np.float64).mean(0)
    best: dict[str, tuple[float, int]] = {}
    for row in range(len(o.words)):
        if o.words[row] == o.words[query] or o.places[row] == o.places[query]:
            continue
        cosine = centred[row] @ centred[query] / np.sqrt((centred[row] ** 2).sum() * (centred[query] ** 2).sum())
        if o.words[row] not in best or cosine > best[o.words[row]][0]:
            best[str(o.words[row])] = (cosine, row)
    return sorted(best.values(), reverse=True)[:count]


def test_nearest_is_what_a_plain_search_finds():
    occurrences = made_up(300)
    queries = list(range(0, 300, 17))
    for query, found in zip(queries, nearest(occurrences, queries, 5)):
        expected = searched(occurrences, query, 5)
        assert [one.row for one in found] == [row for _, row in expected]
        np.testing.assert_allclose([one.cosine for one in found], [cosine for cosine, _ in expected], atol=1e-5)


def test_what_all_vectors_share_does_not_count():
    occurrences = made_up(100)
    shifted = occurrences._replace(vectors=occurrences.vectors + np.float32(50))
    assert [[n.row for n in f] for f in nearest(occurrences, [3, 50], 4)] == [
        [n.row for n in f] for f in nearest(shifted, [3, 50], 4)
    ]


def test_fewer_words_than_asked_for_are_all_that_come():
    occurrences = Occurrences(np.eye(3, dtype=np.float32), np.array(["a", "b", "a"]), np.array([0, 1, 2]))
    assert [[n.row for n in found] for found in nearest(occurrences, [0], 9)] == [[1]]


def test_words_come_from_the_band_and_from_nowhere_else():
    occurrences = made_up(2_000, vocabulary=60)
    ranked = [word for word, _ in Counter(occurrences.words.tolist()).most_common()]
    counts = Counter(occurrences.words.tolist())
    rows = choose_words(occurrences, 8, ranks=(10, 40), seed=1)
    chosen = [str(occurrences.words[row]) for row in rows]
    assert len(set(chosen)) == 8
    lowest, highest = counts[ranked[39]], counts[ranked[10]]
    assert all(lowest <= counts[word] <= highest for word in chosen)
    assert choose_words(occurrences, 8, ranks=(10, 40), seed=1) == rows
    assert choose_words(occurrences, 8, ranks=(10, 40), seed=2) != rows


def test_rare_words_are_not_chosen():
    words = np.array(["often"] * 5 + ["seldom"] * 4)
    occurrences = Occurrences(np.ones((9, 2), np.float32), words, np.arange(9))
    assert [str(words[row]) for row in choose_words(occurrences, 2, ranks=(0, 9))] == ["often"]


def untrained(sentences, vocab_size):
    tokenizer = WordPiece.train(sentences, vocab_size)
    shape = BertConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=8, num_attention_heads=2, num_hidden_layers=1, intermediate_size=8
    )
    model = network(shape, [])
    model.initialise(0.3, seed=0)
    return Encoder(model, tokenizer)


def test_the_vector_of_a_word_is_the_mean_of_its_pieces_and_it_knows_its_place():
    sentences = ["Unable, I was; unable!", "", "A  café's door.", "[MASK] is text"]
    encoder = untrained(["able un cafe door is text was mask a s i , ; ! ' . [ ]"] * 3, 90)
    found = words_in_context(sentences, encoder, None)
    assert [[one.word for one in words] for words, _ in found[:3]] == [
        ["unable", ",", "i", "was", ";", "unable", "!"],
        [],
        ["a", "cafe", "'", "s", "door", "."],
    ]
    for words, vectors in found:
        for one in words:
            written = one.sentence[one.start : one.end]
            assert "[UNK]" in one.word or written.lower().replace("é", "e") == one.word
        assert len(words) == len(vectors)
    states = encoder.token_vectors([sentences[0]])[0][1:-1]
    pieces = encoder.tokenize(sentences[0])[1:-1]
    first = next(i for i, piece in enumerate(pieces) if i and not piece.startswith("##"))
    assert first > 1  # "unable" is made of several
    np.testing.assert_allclose(found[0][1][0], states[:first].mean(0), atol=1e-5)


def test_chinese_words_are_those_of_the_segmenter():
    sentence = "玄德曰：“曹操乃汉贼也。”"
    segmenter = find_segmenter("rjieba")
    words, vectors = words_in_context([sentence], untrained([sentence] * 3, 60), segmenter)[0]
    assert [sentence[begin:end] for begin, end in segmenter.spans(sentence)] == [one.word for one in words]
    assert any(len(one.word) > 1 for one in words) and vectors.shape == (len(words), 8)


def test_company_is_found_among_words_that_are_long_and_frequent_enough():
    sentences = [text for chapter in sample("en")[50:54] for text in chapter.sentences]
    encoder = untrained(sentences, 2_000)
    counts: Counter[str] = Counter()
    for words, _ in words_in_context(sentences, encoder, None):
        counts.update(one.word for one in words)
    company = find_company(sentences, encoder, count=5, neighbours=3, letters=4, least=4, ranks=(10, 200))
    assert len(company) == 5
    for one in company:
        assert len(one.found) == 3 and one.found == sorted(one.found, key=lambda pair: -pair[0])
        for seen in [one.seen, *(seen for _, seen in one.found)]:
            assert len(seen.word) >= 4 and seen.word.isalpha() and counts[seen.word] >= 4
            assert seen.sentence in sentences and seen.sentence[seen.start : seen.end].lower() == seen.word
        assert all(seen.word != one.seen.word for _, seen in one.found)
