"""Signatures estimate the Jaccard similarity of n-grams that are counted one by one."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.text.cleaning.minhash import EMPTY, MinHash, shingles
from tests.text.cleaning.near_copies import NGRAM, jaccard, near_copy, ngrams, passages


@given(st.text(st.sampled_from("aAbé1语言模， \n_."), max_size=40), st.text(st.sampled_from("aAb语言。 "), max_size=40))
def test_equal_ngrams_and_only_they_have_equal_hashes(one: str, other: str) -> None:
    theirs, ours = ngrams(one) & ngrams(other), set(shingles(one, NGRAM)) & set(shingles(other, NGRAM))
    assert len(theirs) == len(ours)
    assert len(ngrams(one)) == len(set(shingles(one, NGRAM)))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("rate", [0.0, 0.01, 0.03, 0.08, 0.2])
def test_the_estimate_is_right_on_average_and_as_spread_as_it_should_be(language: str, rate: float) -> None:
    hasher = MinHash(ngram=NGRAM, permutations=256)
    errors, variances = [], []
    for seed, text in enumerate(passages(language)[:60]):
        copy = near_copy(text, rate, seed)
        exact = jaccard(ngrams(text), ngrams(copy))
        estimate = (hasher.signature([text]) == hasher.signature(copy.split("\n"))).mean()
        errors.append(estimate - exact)
        variances.append(exact * (1 - exact) / 256)
    expected = np.sqrt(np.mean(variances))
    assert abs(np.mean(errors)) <= 4.5 * expected / np.sqrt(len(errors)) + 1e-9
    assert np.std(errors) <= 1.4 * expected + 1e-9


def test_the_order_of_letters_and_of_words_counts() -> None:
    different = ["stop it", "pots it", "stop ti", "it stop", "sto pit", "下雨", "雨下"]
    assert len({int(shingles(text, NGRAM)[0]) for text in different}) == len(different)


def test_a_document_without_letters_has_the_empty_signature() -> None:
    assert (MinHash().signature(["…… ?!", ""]) == EMPTY).all()
    assert (MinHash().signature([]) == EMPTY).all()
    assert (MinHash().signature(["好"]) != EMPTY).any()


def test_a_short_document_is_one_ngram() -> None:
    hasher = MinHash(ngram=5)
    assert (hasher.signature(["It rained."]) == hasher.signature(["it RAINED"])).all()
    assert (hasher.signature(["It rained."]) == hasher.signature(["It snowed."])).mean() < 0.1


def test_signatures_are_the_same_in_every_process() -> None:
    code = (
        "from maskwright.text.cleaning.minhash import MinHash;"
        "print(MinHash(seed=3).signature(['Mask 15% of it.', '使用语言模型来预测下一个词']).tobytes().hex())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, check=True
        ).stdout
        for _ in range(2)
    }
    here = MinHash(seed=3).signature(["Mask 15% of it.", "使用语言模型来预测下一个词"]).tobytes().hex()
    assert runs == {f"{here}\n".encode()}
    assert (MinHash(seed=4).signature(["Mask 15% of it."]) != MinHash(seed=3).signature(["Mask 15% of it."])).any()
