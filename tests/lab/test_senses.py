"""The vectors of one word in many sentences: where it is found, how they part, and the score on labelled examples."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import cosine_distances

import maskwright as mw
from maskwright.errors import BadInput
from maskwright.inference.static import StaticVectors
from maskwright.lab.sense_score import Example, area, comparable, read_examples, score_models
from maskwright.lab.senses import Place, cloud, find_place, find_places, unit, vectors_at
from maskwright.text.samples import sample
from maskwright.text.words import RjiebaSegmenter
from tests.checkpoints.made_up import folder as made_up
from tests.inference.static_models import pretrained, small_corpus


@pytest.fixture(scope="module")
def word2vec(tmp_path_factory: pytest.TempPathFactory) -> Any:
    place = tmp_path_factory.mktemp("static")
    more = ("--size", "tiny", "--training.epochs", "1", "--training.min_count", "1")
    return mw.load(pretrained("word2vec", small_corpus(place), place / "run", *more))


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Random weights, the vocabulary of a few words: other words are letters or [UNK]."""
    place = tmp_path_factory.mktemp("bert") / "model"
    made_up(place, max_position_embeddings=24)
    return mw.load(place)


@pytest.fixture(scope="module")
def she() -> list[Place]:
    return find_places("she", [s for chapter in sample("en")[50:56] for s in chapter.sentences], most=50)


@pytest.mark.parametrize(
    ("word", "sentence", "found"),
    [
        ("bank", "The bank.", (4, 8)),
        ("bank", "Banks embank a riverbank.", None),
        ("bank", "Bank on it", None),
        ("Bank", "Bank on it", (0, 4)),
        ("well-known", "a well-known man", (2, 12)),
        ("C++", "in C++ and C", (3, 6)),
        ("意思", "没有意思。", (2, 4)),
    ],
)
def test_a_word_is_found_whole(word: str, sentence: str, found: tuple[int, int] | None) -> None:
    place = find_place(word, sentence)
    assert (place and place[1:]) == found


def test_chinese_words_are_the_segmenter_s() -> None:
    pytest.importorskip("rjieba")
    sentence = "他从马上下来，马上走了。"
    assert find_place("马上", sentence) == Place(sentence, 2, 4)
    found = find_place("马上", sentence, RjiebaSegmenter())
    assert found is not None and sentence[found.start : found.end] == "马上"
    assert find_place("京大", "北京大学", RjiebaSegmenter()) is None and find_place("京大", "北京大学") is not None


def test_places_are_drawn_from_different_sentences_and_equal_for_equal_seeds() -> None:
    sentences = [f"she said {i}" for i in range(50)] * 2 + ["nobody"]
    assert [place.sentence for place in find_places("she", sentences)] == sentences[:50]
    one, again, other = (find_places("she", sentences, most=10, seed=seed) for seed in (0, 0, 1))
    assert len(one) == 10 and one == again != other
    assert [sentences.index(place.sentence) for place in one] == sorted(sentences.index(p.sentence) for p in one)


def test_word2vec_has_one_point_and_an_encoder_many(word2vec: Any, bert: Any, she: list[Place]) -> None:
    assert len(she) == 50
    static = cloud(*vectors_at(word2vec, she))
    assert (static.distinct, static.spread, static.silhouette, len(static.rows)) == (1, 0.0, None, 50)
    assert not static.points.any() and not static.labels.any() and len(static.central) == 1
    moving = cloud(*vectors_at(bert, she))
    assert moving.distinct == len(moving.rows) > 5 and moving.spread > 1e-4 and len(moving.central) > 1
    assert len(np.unique(moving.points, axis=0)) == moving.distinct
    # layer 0 knows the position alone
    assert 1 < cloud(*vectors_at(bert, she, 0)).distinct < moving.distinct


def test_the_vector_of_a_word_is_the_mean_of_its_tokens(word2vec: Any, bert: Any) -> None:
    sentence = "the unacknowledgeable a"
    place = find_place("unacknowledgeable", sentence)
    assert place is not None
    for encoder in (word2vec, bert):
        tokens, (rows,) = encoder.tokenize(sentence), encoder.token_vectors([sentence])
        inside = range(2, len(tokens) - 2)  # behind [CLS] the, before a [SEP]
        known = [rows[i] for i in inside if rows[i].any()]
        vectors, has = vectors_at(encoder, [place])
        assert has.tolist() == [True]
        np.testing.assert_allclose(vectors[0], np.mean(known, axis=0), atol=1e-6)


def test_a_word_that_is_cut_off_or_unseen_has_no_vector(word2vec: Any, bert: Any) -> None:
    late = "a " * 40 + "cat"
    places = [find_place("cat", sentence) for sentence in ("the cat", late)]
    vectors, known = vectors_at(bert, [place for place in places if place])
    assert known.tolist() == [True, False] and not vectors[1].any()
    vectors, counts = word2vec.vectors.copy(), word2vec.counts.copy()
    row = word2vec.tokenizer.vocabulary.ids["she"]
    vectors[row], counts[row] = 0, 0
    blind = StaticVectors(vectors, counts, word2vec.tokenizer, word2vec.config)
    unseen = find_place("she", "Was she happy?")
    assert unseen is not None and not vectors_at(blind, [unseen])[1].any()
    with pytest.raises(BadInput, match="no vector for any of the word's tokens"):
        cloud(*vectors_at(blind, [unseen]))


def two_groups(count: int = 40) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    draw = np.random.default_rng(0)
    group = (draw.random(count) < 0.3).astype(int)
    return draw.normal(size=(2, 12))[group] + 0.2 * draw.normal(size=(count, 12)), group


def test_two_senses_are_two_clusters() -> None:
    vectors, group = two_groups()
    known = np.ones(len(vectors), np.bool_)
    found = cloud(vectors, known)
    assert (found.labels == group).all()  # the larger one is number 0, and is here too
    assert found.silhouette is not None and found.silhouette > 0.6 and len(found.central) == 2
    assert [sorted(rows) for rows in found.central] == [np.flatnonzero(group == one).tolist() for one in (0, 1)]
    np.testing.assert_allclose(found.spread, cosine_distances(vectors)[np.triu_indices(len(vectors), 1)].mean())
    theirs = PCA(2).fit(unit(vectors))
    np.testing.assert_allclose(np.abs(found.points), np.abs(theirs.transform(unit(vectors))), atol=1e-9)
    np.testing.assert_allclose(found.kept, theirs.explained_variance_ratio_.sum())
    again = cloud(vectors, known)
    assert (again.labels == found.labels).all() and again.points.tobytes() == found.points.tobytes()
    some = cloud(vectors, group == 0)
    assert some.rows.tolist() == np.flatnonzero(group == 0).tolist()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_sentences_are_enough(count: int) -> None:
    found = cloud(two_groups()[0][:count], np.ones(count, np.bool_))
    assert found.distinct == count and (found.spread is None) == (count == 1) and found.points.shape == (count, 2)


@given(st.lists(st.integers(0, 2), min_size=4, max_size=12), st.integers(0, 2**32 - 1), st.booleans())
def test_the_area_is_scikit_learn_s(senses: list[int], seed: int, coarse: bool) -> None:
    labels = np.array(senses)
    same = labels[:, None] == labels[None, :]
    upper = np.triu_indices(len(labels), 1)
    if same[upper].all() or not same[upper].any():
        return
    draw = np.random.default_rng(seed)
    vectors = draw.integers(1, 3, (len(labels), 2)).astype(float) if coarse else draw.normal(size=(len(labels), 3))
    cosines = np.round((unit(vectors) @ unit(vectors).T)[upper], 6)
    assert area(vectors, labels) == pytest.approx(roc_auc_score(same[upper], cosines))


def rows_of(words: dict[str, dict[str, list[str]]]) -> list[dict[str, str]]:
    return [
        {"word": word, "sense": sense, "sentence": sentence}
        for word, senses in words.items() for sense, sentences in senses.items() for sentence in sentences
    ]  # fmt: skip


HER = {"she": {"one": ["she came in", "when she came"], "two": ["Was she happy?"]},
       "him": {"one": ["to him he said", "with him"], "two": ["of him"], "three": ["saw him there"]}}  # fmt: skip


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_model_without_context_scores_one_half_exactly(word2vec: Any, bert: Any, tmp_path: Path) -> None:
    examples = read_examples(written(tmp_path / "e.jsonl", rows_of(HER)))
    scores = score_models({"static": word2vec, "bert": bert}, examples.rows)
    static, other = scores["static"], scores["bert"]
    assert static.auc == (0.5, 0.5, 0.5) and static.gain is None
    assert (static.words, static.same, static.different, static.left_out) == (2, 2, 2 + 5, 0)
    assert other.gain is not None and other.gain.mean == pytest.approx(other.auc.mean - 0.5)
    alone = score_models({"bert": bert}, examples.rows)["bert"]
    assert alone.auc == other.auc


def test_models_are_judged_on_the_same_pairs(word2vec: Any, bert: Any, tmp_path: Path) -> None:
    longer = {"she": {"one": ["she came in", "when she came"], "two": ["a " * 30 + "she", "Was she happy?"]}}
    examples = read_examples(written(tmp_path / "e.jsonl", rows_of({**HER, **longer})))
    for models in ({"static": word2vec, "bert": bert}, {"bert": bert, "static": word2vec}):
        scores = score_models(models, examples.rows)
        assert {(one.same, one.different, one.left_out) for one in scores.values()} == {(2, 7, 1)}


def test_examples_that_compare_nothing_are_left_out(tmp_path: Path) -> None:
    rows = [
        *rows_of(HER),
        *rows_of({"alone": {"one": ["alone a", "alone b"]}, "singles": {"one": ["singles a"], "two": ["singles b"]}}),
        {"word": "missing", "sense": "one", "sentence": "is not here"},
        {"word": "Him", "sense": "one", "sentence": "with him"},
        rows_of(HER)[0],
    ]
    examples = read_examples(written(tmp_path / "e.jsonl", rows))
    assert (len(examples.rows), examples.missing, examples.alone) == (7, 2, 4)


def test_parts_of_speech_are_not_compared(tmp_path: Path) -> None:
    rows = [{**row, "part": "noun" if row["sense"] == "one" else "verb"} for row in rows_of(HER)]
    with pytest.raises(BadInput, match="no word in it has two sentences of one sense and one of another"):
        read_examples(written(tmp_path / "e.jsonl", rows))
    assert comparable([Example(("a", part), Place("a", 0, 1), sense) for part, sense in ["n1", "n1", "v2"]]) == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "line 1 is no JSON"),
        ('{"word": "a", "sentence": "a b"}', "line 1 is no row of word, sentence, sense"),
        ('{"word": "a", "sentence": "a b", "sense": 3}', "line 1 is no row"),
        ('["a"]', "line 1 is no row"),
        ('{"word": "a", "sentence": "a b", "sense": "x", "part": 3}', "line 1 is no row"),
        ('{"word": "a", "sentence": "a b", "sense": "x"}', r"no word in it has two .* \(1 examples, 0 without"),
        ("", "no word in it has two"),
        ("\xff", "line 1 is no JSON"),
    ],
)
def test_a_bad_file_of_examples_is_one_line(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "bad.jsonl").write_bytes(content.encode("latin-1"))
    with pytest.raises(BadInput, match=told) as caught:
        read_examples(tmp_path / "bad.jsonl")
    assert "bad.jsonl" in str(caught.value) and "\n" not in str(caught.value)
