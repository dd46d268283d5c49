"""Translations side by side, and running text of one language: equal to sequences built token by token."""

import hashlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from maskwright.batch import Sequences, take
from maskwright.corpus.read import Split
from maskwright.draws import words
from maskwright.errors import BadInput
from maskwright.objectives.language_stream import LanguageStream
from maskwright.objectives.masked_lm import mask_sequences
from maskwright.objectives.stream import Stream
from maskwright.objectives.translation import TranslationPairs

Make = Callable[..., Split]
CLS, SEP, MASK = 1, 2, 3


def parallel_split(split_of: Make, documents: int = 12, seed: int = 0, *, tokens: int = 12) -> Split:
    """Documents of 1 to 9 pairs of sentences of 1 to `tokens` tokens."""
    generator = np.random.default_rng(seed)
    sizes = generator.integers(1, 9, size=documents, endpoint=True)
    return split_of([generator.integers(1, tokens, size=2 * size, endpoint=True).tolist() for size in sizes], seed)


def pairs_of(split: Split, *, seed: int = 5, dupe_factor: int | None = None, **options: Any) -> Stream[Any]:
    layout = TranslationPairs(cls_id=CLS, sep_id=SEP, **{"max_length": 64} | options)
    return Stream(split, layout, seed=seed, dupe_factor=dupe_factor)


def apart(sequences: Sequences) -> list[tuple[tuple[int, ...], ...]]:
    """The examples one by one: ids, languages, positions, special, and word ids from 0 in each."""
    assert sequences.word_ids is not None and sequences.language_ids is not None
    counted = [place for length in sequences.lengths.tolist() for place in range(length)]
    places = np.array(counted) if sequences.position_ids is None else sequences.position_ids
    assert not sequences.token_type_ids.any() and sequences.token_type_ids.shape == sequences.token_ids.shape
    columns = [sequences.token_ids, sequences.language_ids, places, sequences.special, sequences.word_ids]
    examples = zip(*(np.split(column, sequences.cu_seqlens[1:-1]) for column in columns), strict=True)
    return [(*(tuple(column.tolist()) for column in given), renumbered(word_ids)) for *given, word_ids in examples]


def renumbered(word_ids: np.ndarray) -> tuple[int, ...]:
    least = word_ids[word_ids >= 0].min()
    return tuple(np.where(word_ids < 0, -1, word_ids - least).tolist())


def sentence(split: Split, number: int) -> list[tuple[int, bool]]:
    """(token, whether a word begins with it) of a sentence."""
    first, end = split.sentence_offsets[number : number + 2].tolist()
    ids, starts = split.gather(np.array([first]), np.array([end - first]))
    return [(token, bool(start) or place == 0) for place, (token, start) in enumerate(zip(ids.tolist(), starts))]


def pair_by_hand(split: Split, pair: int, first: int) -> tuple[tuple[int, ...], ...]:
    ids: list[int] = []
    languages, places, special, word_ids, word = [], [], [], [], -1
    for language in (first, 1 - first):
        text = sentence(split, 2 * pair + language)
        for place in range(len(text) + 2):
            inside = 0 < place <= len(text)
            token, begins = text[place - 1] if inside else (SEP if ids else CLS, False)
            word += begins
            ids.append(token), languages.append(language), places.append(place)
            special.append(not inside), word_ids.append(word if inside else -1)
    return tuple(ids), tuple(languages), tuple(places), tuple(special), tuple(word_ids)


def fitting(split: Split, max_length: int, max_sentence: int | None) -> list[int]:
    """The pairs that are short enough, by counting tokens."""
    sizes = [len(sentence(split, number)) for number in range(split.num_sentences)]
    pairs = list(enumerate(zip(sizes[::2], sizes[1::2], strict=True)))
    return [n for n, (a, b) in pairs if a + b + 4 <= max_length and max(a, b) <= (max_sentence or 10**6)]


@pytest.mark.parametrize(("max_length", "max_sentence"), [(64, None), (20, None), (64, 8), (18, 9)])
def test_an_epoch_is_every_pair_that_is_not_too_long_as_built_by_hand(
    split_of: Make, max_length: int, max_sentence: int | None
) -> None:
    split = parallel_split(split_of)
    stream = pairs_of(split, max_length=max_length, max_sentence=max_sentence)
    wanted = fitting(split, max_length, max_sentence)
    total = stream.epoch_sequences(0)
    assert total == len(wanted) and 5 < total <= split.num_sentences // 2
    assert isinstance(stream.layout, TranslationPairs)
    assert stream.layout.too_long(split) == split.num_sentences // 2 - total
    for epoch in range(2):
        shown = apart(stream.sequences(epoch, total))
        either = {pair_by_hand(split, pair, first): pair for pair in wanted for first in (0, 1)}
        assert sorted(either[example] for example in shown) == wanted
        first = Counter(example[1][0] for example in shown)
        assert first[0] and first[1]


def test_one_pair_as_the_paper_draws_it(split_of: Make) -> None:
    split = Split.from_arrays(
        np.array([10, 11, 12, 20, 21]), np.array([1, 0, 1, 1, 1]), np.array([0, 3, 5]), np.array([0, 2])
    )
    stream = pairs_of(split, order="given")
    ((ids, languages, places, special, word_ids),) = apart(stream.sequences(0, 1))
    assert ids == (CLS, 10, 11, 12, SEP, SEP, 20, 21, SEP)
    assert languages == (0, 0, 0, 0, 0, 1, 1, 1, 1)
    assert places == (0, 1, 2, 3, 4, 0, 1, 2, 3)
    assert special == (1, 0, 0, 0, 1, 1, 0, 0, 1)
    assert word_ids == (-1, 0, 0, 1, -1, -1, 2, 3, -1)


def test_either_side_comes_first_as_often_and_anew_in_each_pass(split_of: Make) -> None:
    split = parallel_split(split_of, 400)
    stream = pairs_of(split)
    first, second = stream.plan(0), stream.plan(1)
    assert (first.pair == second.pair).all()
    n = len(first.pair)
    assert abs(first.first.mean() - 0.5) < 4 * 0.5 / n**0.5
    assert abs((first.first == second.first).mean() - 0.5) < 4 * 0.5 / n**0.5
    assert not pairs_of(split, order="given").plan(0).first.any()


def digest(sequences: Sequences) -> str:
    return hashlib.sha256(repr(apart(sequences)).encode()).hexdigest()


def test_a_step_is_a_pure_function(split_of: Make) -> None:
    split = parallel_split(split_of, 20)
    steps = range(0, 60, 3)
    stream = pairs_of(split)
    forward = [digest(stream.sequences(step, 6)) for step in steps]
    assert len(set(forward)) == len(forward)
    assert [digest(pairs_of(split).sequences(step, 6)) for step in reversed(steps)] == forward[::-1]
    assert digest(pairs_of(split, seed=6).sequences(0, 6)) != forward[0]


def test_static_masks_find_the_pairs_again(split_of: Make) -> None:
    """With two passes, the third epoch has the pairs, orders and keys of the first."""
    stream = pairs_of(parallel_split(split_of), dupe_factor=2)
    total = stream.epoch_sequences(0)

    def keyed(epoch: int) -> dict[int, Any]:
        shown = apart(stream.sequences(epoch, total))
        return dict(zip(stream.examples(epoch, total).keys.tolist(), shown, strict=True))

    assert keyed(0) == keyed(2) and keyed(0) != keyed(1)


def test_languages_and_positions_reach_the_batch(split_of: Make) -> None:
    stream = pairs_of(parallel_split(split_of))
    sequences = take(stream.sequences(0, 16), np.arange(15, -1, -1))
    batch = mask_sequences(sequences, words(16, 0, "masks"), mask_id=MASK, random_ids=1000)
    assert batch.language_ids is not None and sequences.position_ids is not None
    assert batch.language_ids.tolist() == sequences.language_ids.tolist()  # type: ignore[union-attr]
    assert batch.position_ids.tolist() == sequences.position_ids.tolist()
    assert batch.predict_rows is not None and not sequences.special[batch.predict_rows.numpy()].any()


def stretches_by_hand(split: Split, side: int | None, max_length: int, language: int) -> list[Any]:
    """Every document's sentences joined by </s> and cut, token by token."""
    found: list[Any] = []
    for begin, end in zip(split.document_offsets.tolist(), split.document_offsets[1:].tolist(), strict=False):
        numbers = range(begin, end) if side is None else range(begin + side, end, 2)
        text = [one for number in numbers for one in [*sentence(split, number), (SEP, None)]]
        while len(text) > 1 or (text and text[0][0] != SEP):
            part, text = text[: max_length - 1], text[max_length - 1 :]
            word, word_ids = -1, [-1]
            for place, (_, begins) in enumerate(part):
                word += begins is not None and (begins or place == 0)
                word_ids.append(-1 if begins is None else word)
            special = (True, *(begins is None for _, begins in part))
            ids = (CLS, *(token for token, _ in part))
            found.append((ids, (language,) * len(ids), tuple(range(len(ids))), special, tuple(word_ids)))
    return found


@pytest.mark.parametrize("max_length", [3, 4, 7, 32, 1000])
@pytest.mark.parametrize("side", [None, 0, 1])
def test_running_text_is_cut_as_by_hand(split_of: Make, side: int | None, max_length: int) -> None:
    split = parallel_split(split_of, 20, seed=max_length)
    layout = LanguageStream(cls_id=CLS, sep_id=SEP, language=1, side=side, max_length=max_length)
    stream = Stream(split, layout, seed=3)
    wanted = stretches_by_hand(split, side, max_length, 1)
    assert apart(layout.lay_out(split, stream.plan(0))) == wanted
    total = stream.epoch_sequences(0)
    assert total == len(wanted)
    shown = [example for step in range(-(-total // 7)) for example in apart(stream.sequences(step, 7))][:total]
    assert Counter(shown) == Counter(wanted)
    assert stream.sequences(0, total).position_ids is None


def test_running_text_of_chosen_documents(split_of: Make) -> None:
    """As a large corpus is read, in groups of documents."""
    split = parallel_split(split_of, 30)
    layout = LanguageStream(cls_id=CLS, sep_id=SEP, language=0, side=0, max_length=16)
    pairs = TranslationPairs(cls_id=CLS, sep_id=SEP, order="given")
    groups = np.array([0, 7, 8, 29]), np.setdiff1d(np.arange(30), [0, 7, 8, 29])
    drawn = np.random.default_rng(0)
    whole = Counter(apart(layout.lay_out(split, layout.plan(split, np.arange(30), drawn))))
    assert whole == Counter(
        example for group in groups for example in apart(layout.lay_out(split, layout.plan(split, group, drawn)))
    )
    numbers = [pairs.plan(split, group, drawn).pair.tolist() for group in groups]
    assert sorted(numbers[0] + numbers[1]) == list(range(split.num_sentences // 2))


def test_what_is_no_parallel_corpus_is_refused(split_of: Make) -> None:
    odd = split_of([[3, 4], [5, 6, 7]])
    for layout in (
        TranslationPairs(cls_id=CLS, sep_id=SEP),
        LanguageStream(cls_id=CLS, sep_id=SEP, language=0, side=1),
    ):
        with pytest.raises(BadInput, match=r"document 1 .* has 3 sentences, an odd number"):
            Stream(odd, layout, seed=0)
    Stream(odd, LanguageStream(cls_id=CLS, sep_id=SEP, language=0), seed=0)


def test_pairs_that_are_all_too_long_are_refused(split_of: Make) -> None:
    split = split_of([[30, 4], [5, 60]])
    with pytest.raises(BadInput, match="all 2 pairs of the split are longer than max_length 32 or 100 tokens a side"):
        Stream(split, TranslationPairs(cls_id=CLS, sep_id=SEP, max_length=32), seed=0)
    with pytest.raises(BadInput, match="or 10 tokens a side"):
        Stream(split, TranslationPairs(cls_id=CLS, sep_id=SEP, max_sentence=10), seed=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TranslationPairs(cls_id=1, sep_id=2, max_length=5), "at least 6 tokens"),
        (lambda: TranslationPairs(cls_id=1, sep_id=2, max_sentence=0), "leaves no pair"),
        (lambda: TranslationPairs(cls_id=1, sep_id=2, order="any"), "neither"),  # type: ignore[arg-type]
        (lambda: LanguageStream(cls_id=1, sep_id=2, language=0, max_length=2), "no room for text"),
        (lambda: LanguageStream(cls_id=1, sep_id=2, language=0, side=2), "none of a pair"),
        (lambda: LanguageStream(cls_id=1, sep_id=2, language=-1), "no number of a language"),
    ],
)
def test_senseless_settings_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        make()
