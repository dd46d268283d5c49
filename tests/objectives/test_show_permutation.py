"""Drawings of orders, read back: who sees whom is what the ranks say."""

import numpy as np
import pytest

from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.objectives.show_permutation import drawing, drawn_order


def cells(text: str, tokens: list[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The two matrices as they stand in a drawing, the second by the token of its row."""
    lines = text.splitlines()
    top = next(i for i, line in enumerate(lines) if line.startswith("content"))
    content, predicted = list[list[bool]](), dict[str, np.ndarray]()
    for line in lines[top + 1 : top + 1 + len(tokens)]:
        signs = [part for part in line.split() if part in "■·"]
        content.append([sign == "■" for sign in signs[: len(tokens)]])
        if len(signs) > len(tokens):
            predicted[line.split()[0]] = np.array([sign == "■" for sign in signs[len(tokens) :]])
    return np.array(content), predicted


@pytest.mark.parametrize("targets", [1, 2, 4])
@pytest.mark.parametrize("seed", range(8))
def test_a_sentence_of_four_words(seed: int, targets: int) -> None:
    tokens = "a b c d".split()
    chosen, places = drawn_order(4, targets, generator(seed, "show"))
    assert chosen.sum() == targets and (places[~chosen] == -1).all() and len(set(places[chosen])) == targets
    text = drawing(tokens, chosen, places)
    content, predicted = cells(text, tokens)
    for i in range(4):
        sees = {j for j in range(4) if places[j] < places[i] or (places[j] == places[i] and (i == j or not chosen[i]))}
        assert set(np.flatnonzero(content[i])) == sees
        assert (tokens[i] in predicted) == chosen[i]
        if chosen[i]:
            assert set(np.flatnonzero(predicted[tokens[i]])) == sees - {i}
            assert f"{tokens[i]}: p({tokens[i]}" in text
    assert len(text.splitlines()) == 4 + 4 + 1 + targets


def test_the_first_of_an_order_without_context_is_given_nothing() -> None:
    chosen, places = drawn_order(3, 3, generator(0, "show"))
    first = "x y z".split()[int(np.argmin(places))]
    assert f"{first}: p({first})" in drawing("x y z".split(), chosen, places).splitlines()


@pytest.mark.parametrize(("tokens", "targets"), [(4, 5), (4, 0), (0, 1)])
def test_more_targets_than_tokens(tokens: int, targets: int) -> None:
    with pytest.raises(BadInput, match=f"{targets} targets of {tokens} tokens: choose 1 to {tokens}"):
        drawn_order(tokens, targets, generator(0, "show"))
