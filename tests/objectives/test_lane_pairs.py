"""What XLNet reads in a step: T goes on in the lane, A follows it, B follows A or is from elsewhere."""

import numpy as np
import pytest

from maskwright.corpus.read import Split
from maskwright.errors import BadInput
from maskwright.objectives.lane_pairs import Laid, check, lay_out
from maskwright.objectives.lanes import Lanes

CLS, SEP, EOD, FIRST = 3, 4, 7, 100


def numbered(documents: int, seed: int = 0) -> Split:
    """Documents of 1 to 9 sentences of 1 to 12 tokens; every token has an id of its own, ascending in the text."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 10, documents)
    lengths = rng.integers(1, 13, counts.sum())
    ids = FIRST + np.arange(lengths.sum())
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    starts = np.isin(np.arange(len(ids)), offsets) | (rng.random(len(ids)) < 0.6)
    return Split.from_arrays(ids, starts, offsets, np.concatenate([[0], np.cumsum(counts)]))


def parts(laid: Laid, reuse: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """T, A and B of each sequence."""
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for ids in laid.token_ids:
        first, second = np.flatnonzero(ids == SEP)
        assert second == len(ids) - 2 and ids[-1] == CLS
        found.append((ids[:reuse], ids[reuse:first], ids[first + 1 : second]))
    return found


@pytest.mark.parametrize("backwards", [False, True])
def test_every_sequence_is_as_it_should_be(backwards: bool) -> None:
    split = numbered(60)
    lanes = Lanes(split, lanes=4, length=20, seed=1, separator=EOD, backwards=backwards)
    follows, sentence_begins, total = 0, 0, 0
    for step in range(40):
        laid = lay_out(lanes, [step], 50, [np.random.default_rng(step)], cls_id=CLS, sep_id=SEP)
        assert laid.token_ids.shape == (4, 50)
        text = lanes.ids(lanes.places(step * 20, 75))[0]
        for lane, (t, a, b) in enumerate(parts(laid, 20)):
            assert (t == text[lane, :20]).all() and (a == text[lane, 20 : 20 + len(a)]).all()
            assert len(a) >= 1 and len(b) >= 1 and len(a) + len(b) == 27
            # where A lost its end, what follows it begins a little later
            later = [text[lane, at : at + len(b)] for at in range(20 + len(a), 75 - len(b))]
            goes_on = any(np.array_equal(b, one) for one in later)
            follows += int(goes_on)
            total += 1
            if not goes_on:
                edge = np.array(split.sentence_offsets)
                edge = edge[1:] - 1 if backwards else edge[:-1]
                sentence_begins += int(b[0] == EOD or b[0] - FIRST in edge)
        types = [[0] * (20 + len(a) + 1) + [1] * (len(b) + 1) + [2] for _, a, b in parts(laid, 20)]
        assert laid.types.tolist() == types
        assert (laid.special == ((laid.token_ids == SEP) | (laid.token_ids == CLS))).all()
    assert 0.4 < follows / total < 0.62  # half; of 160, give or take 2.5 deviations
    assert sentence_begins > 0.9 * (total - follows)  # but for those that meet the beginning of a lane


@pytest.mark.parametrize("backwards", [False, True])
def test_several_steps_together_are_what_each_is_by_itself(backwards: bool) -> None:
    lanes = Lanes(numbered(60), lanes=4, length=20, seed=1, separator=EOD, backwards=backwards)
    steps = [3, 4, 5, 200]  # the last is of another epoch
    draws = [np.random.default_rng(step) for step in steps]
    together = lay_out(lanes, steps, 50, draws, cls_id=CLS, sep_id=SEP)
    for place, step in enumerate(steps):
        alone = lay_out(lanes, [step], 50, [np.random.default_rng(step)], cls_id=CLS, sep_id=SEP)
        for got, wanted in zip(together.rows(slice(4 * place, 4 * place + 4)), alone, strict=True):
            assert np.array_equal(got, wanted)


def test_word_starts_are_those_of_the_text() -> None:
    split = numbered(30)
    _, wanted = split.gather(np.array([0]), np.array([split.num_tokens]))
    for backwards in (False, True):
        lanes = Lanes(split, lanes=2, length=20, seed=1, backwards=backwards)
        laid = lay_out(lanes, [0], 50, [np.random.default_rng(0)], cls_id=CLS, sep_id=SEP)
        real = ~laid.special
        assert (laid.starts[real] == wanted[laid.token_ids[real] - FIRST].astype(np.bool_)).all()
        assert laid.starts[laid.special].all()


@pytest.mark.parametrize(("length", "reuse", "fits"), [(24, 19, True), (24, 20, False), (8, 3, True)])
def test_room_for_two_segments(length: int, reuse: int, fits: bool) -> None:
    lanes = Lanes(numbered(30), lanes=2, length=reuse, seed=1)
    if not fits:
        with pytest.raises(BadInput, match=r"20 of 24 tokens .* leave no room for two segments"):
            check(lanes, length)
        return
    check(lanes, length)
    for step in range(20):
        laid = lay_out(lanes, [step], length, [np.random.default_rng(step)], cls_id=CLS, sep_id=SEP)
        assert all(len(a) >= 1 and len(b) >= 1 for _, a, b in parts(laid, reuse))
