"""The characters of words, and what a character encoder makes of them, beside bilm-tf's way written out."""

from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from maskwright.layers.character_encoder import CharacterEncoder, FilterActivation
from maskwright.layers.word_characters import narrowed, sentence_marks, word_characters

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def as_in_bilm(word: str, width: int = 50) -> list[int]:
    """`_convert_word_to_char_ids` and the one that `batch_sentences` adds."""
    code = [260] * width
    encoded = word.encode("utf-8", "ignore")[: width - 2]
    code[0] = 258
    for k, byte in enumerate(encoded, start=1):
        code[k] = byte
    code[len(encoded) + 1] = 259
    return [one + 1 for one in code]


@given(st.lists(WORDS, max_size=6), st.integers(3, 60))
def test_characters_are_bilms(words: list[str], width: int) -> None:
    assert word_characters(words, width).tolist() == [as_in_bilm(word, width) for word in words]


def test_marks_of_sentences_are_bilms() -> None:
    marks = sentence_marks()
    assert marks[:, :3].tolist() == [[259, 257, 260], [259, 258, 260]] and set(marks[:, 3:].flat) == {261}
    assert marks.shape == (2, 50)


def test_a_long_word_keeps_48_bytes_and_half_a_surrogate_has_none() -> None:
    long = word_characters(["x" * 200, "a\ud800b"])
    assert long[0].tolist() == [259, *[121] * 48, 260]
    assert long[1, :5].tolist() == [259, 98, 99, 260, 261]


def encoder(activation: FilterActivation) -> CharacterEncoder:
    torch.manual_seed(0)
    made = CharacterEncoder(
        character_size=3, filters=[(1, 2), (3, 4), (5, 6)], activation=activation, num_highways=2, output_size=7
    ).double()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return made


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_vectors_are_those_of_the_equations(activation: FilterActivation) -> None:
    """Window by window over all 50 places, the activation before the maximum, highways as TensorFlow's two matrices."""
    made = encoder(activation)
    words = word_characters(["a", "word", "über", "x" * 49, "词"])
    act = torch.relu if activation == "relu" else torch.tanh
    wanted: list[torch.Tensor] = []
    for word in words:
        seen = made.table[torch.from_numpy(word.astype(np.int64)) - 1]
        found: list[torch.Tensor] = []
        for one in made.filters:
            width = one.weight.shape[2]
            windows = [seen[first : first + width] for first in range(50 - width + 1)]
            values = [act(torch.einsum("ock,kc->o", one.weight, window) + one.bias) for window in windows]
            found.append(torch.stack(values).amax(0))
        x = torch.cat(found)
        for highway in made.highways:
            both = highway.transform_and_gate
            (to_x, to_gate), (x_bias, gate_bias) = both.weight.chunk(2), both.bias.chunk(2)
            gate = torch.sigmoid(to_gate @ x + gate_bias)
            x = gate * torch.relu(to_x @ x + x_bias) + (1 - gate) * x
        wanted.append(F.linear(x, made.projection.weight, made.projection.bias))
    torch.testing.assert_close(made(torch.from_numpy(words.astype(np.int64))), torch.stack(wanted))


@given(st.lists(WORDS, min_size=1, max_size=5))
def test_leaving_padding_away_changes_nothing(words: list[str]) -> None:
    made = encoder("relu")
    whole = word_characters(words)
    short = narrowed(whole, made.widest)
    vectors = [made(torch.from_numpy(one.astype(np.int64))) for one in (whole, short)]
    torch.testing.assert_close(*vectors, rtol=1e-12, atol=1e-12)
    longest = max(min(len(word.encode()), 48) for word in words)
    assert short.shape[1] == min(50, longest + 2 + 5)


def test_every_character_kind_has_its_row() -> None:
    made = encoder("relu")
    words = np.concatenate([word_characters([chr(i) for i in range(128)]), sentence_marks()])
    vectors = made(torch.from_numpy(words.astype(np.int64)))
    assert all(not torch.equal(a, b) for a, b in pairwise(vectors))
