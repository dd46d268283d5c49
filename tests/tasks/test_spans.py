"""Questions as data: labels in windows, and answers from the scores of windows as run_squad.py has them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from maskwright.batch import Batch
from maskwright.checkpoints.span_settings import SpanSettings
from maskwright.checkpoints.task_part import TaskPart
from maskwright.draws import generator
from maskwright.tasks.examples import Answer, Question
from maskwright.tasks.inputs import TransformerInputs
from maskwright.tasks.metrics import chinese_questions
from maskwright.tasks.span_answers import BEST, best_spans
from maskwright.tasks.spans import QuestionData, measures
from tests.checkpoints import made_up

CONTEXT = "The  cat sat on a mat , and the long river is in paris , france . " * 2
ANSWERED = Question("who sat ?", CONTEXT, (Answer("cat", 5), Answer("The  cat", 0)), False, "q 1")
NONE = Question("who is blue ?", "中国人 in paris", (), True, "q 2")
NOWHERE = Question("who ?", "a mat", (Answer("dog", None),), False, "q 3")
LONG = Question("where ?", CONTEXT, (Answer(CONTEXT[9:100], 9),), False, "q 4")


def data(examples: Sequence[Question], kind: str = "bert", length: int = 24, **settings: Any) -> QuestionData:
    part = TaskPart("span", (), SpanSettings(**{"stride": 4, "answer": 5, **settings}))
    return QuestionData(examples, TransformerInputs(made_up.tokenizer_for(kind), segments=2), part, length=length)


class Drawn:
    """Scores that are a function of a token and its place in its sequence."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.table = torch.from_numpy(generator(0, "scores").normal(size=(97, 64, 2)))

    def of(self, ids: torch.Tensor) -> torch.Tensor:
        return self.table[ids % 97, torch.arange(len(ids))]

    def best(self, scores: torch.Tensor, batch: Batch) -> torch.Tensor:
        raise NotImplementedError  # of classes and tags

    def scores(self, batch: Batch) -> torch.Tensor:
        return torch.cat([self.of(ids) for ids in batch.token_ids.split(batch.cu_seqlens.diff().tolist())])


@pytest.mark.parametrize("kind", ["bert", "xlnet", "gpt2"])
def test_each_window_is_labelled_with_the_answer_that_it_holds_whole(kind: str) -> None:
    made = data([ANSWERED, NONE, NOWHERE, LONG], kind, 32)
    labels = made.sequences.labels
    assert labels is not None and labels.shape == (len(made.stretches), 2)
    told: set[tuple[int, str]] = set()
    for one, (first, last) in zip(made.stretches, labels.tolist(), strict=True):
        example = made.examples[one.question]
        if example is NOWHERE:
            assert (first, last) == (-1, -1)
        elif (first, last) == (one.null, one.null):
            told.add((one.question, "null"))
        else:
            offsets = made._offsets[one.question][one.first : one.end]  # pyright: ignore[reportPrivateUsage]
            begin, end = offsets[first - one.row, 0], offsets[last - one.row, 1]
            assert example.context[begin:end].strip() == example.answers[0].text.strip()
            told.add((one.question, "answer"))
    assert told == {(0, "answer"), (0, "null"), (1, "null"), (3, "null")}
    assert made.cut == 1  # the answer that no window holds
    (batch,) = made.batches() if len(made.stretches) < 2 else [made.sequences.batch(np.arange(len(made.stretches)))]
    assert batch.labels is not None and batch.labels.tolist() == labels.tolist()


def all_spans(made: QuestionData, question: int, network: Drawn, longest: int) -> dict[tuple[int, int], float]:
    """Every span of tokens that run_squad.py's loops accept, whatever its rank, with its score."""
    found: dict[tuple[int, int], float] = {}
    windows = [one for one in made.stretches if one.question == question]
    for one in windows:
        scores = network.of(torch.from_numpy(one.encoded.ids)).float()
        for first in range(one.first, one.end):
            contexts = [min(first - w.first, w.end - 1 - first) + 0.01 * len(w.own) for w in windows
                        if w.first <= first < w.end]  # fmt: skip
            mine = min(first - one.first, one.end - 1 - first) + 0.01 * len(one.own)
            if mine < max(contexts) or one is not next(
                w for w in windows if w.first <= first < w.end
                and min(first - w.first, w.end - 1 - first) + 0.01 * len(w.own) == max(contexts)
            ):  # fmt: skip
                continue
            for last in range(first, min(first + longest, one.end)):
                assert (first, last) not in found
                begin, end = one.row + first - one.first, one.row + last - one.first
                found[first, last] = float(scores[begin, 0] + scores[end, 1])
    return found


@pytest.mark.parametrize("kind", ["bert", "xlnet", "gpt2"])
@pytest.mark.parametrize("threshold", [None, 0.0, -3.0])
def test_answers_are_those_of_brute_force(kind: str, threshold: float | None) -> None:
    made, network = data([ANSWERED, NONE, LONG], kind, 28, threshold=threshold), Drawn()
    assert len(made.stretches) > 10
    for number, (example, reply) in enumerate(zip(made.examples, made.answers(network), strict=True)):
        spans = all_spans(made, number, network, 5)
        null = min(
            float(network.of(torch.from_numpy(one.encoded.ids)).float()[one.null].sum())
            for one in made.stretches
            if one.question == number
        )
        offsets = made._offsets[number]  # pyright: ignore[reportPrivateUsage]
        texts: dict[tuple[int, int], float] = {}
        for (first, last), score in sorted(spans.items(), key=lambda item: (-item[1], item[0])):
            begin, end = int(offsets[first, 0]), int(offsets[last, 1])
            raw = example.context[begin:end]
            if raw.strip():
                begin += len(raw) - len(raw.lstrip())
                texts.setdefault((begin, begin + len(raw.strip())), score)
        expected = dict(list(texts.items())[:BEST])
        some = [one for one in reply.answers if one.text]
        assert {(one.start, one.end) for one in some} == set(expected) and len(some) == len(expected)
        best = max(expected, key=lambda place: expected[place])
        assert reply.null == pytest.approx(null - expected[best], abs=1e-5)
        scores = [*expected.values(), *([] if threshold is None else [null])]
        total = sum(math.exp(score) for score in scores)
        for one in reply.answers:
            score = expected[one.start, one.end] if one.text else null
            assert one.probability == pytest.approx(math.exp(score) / total, abs=1e-5)
            assert one.text == example.context[one.start : one.end]
        none = threshold is not None and reply.null > threshold
        assert reply.answers[0].text == ("" if none else example.context[best[0] : best[1]])
        shares = [one.probability for one in reply.answers[1:]]
        assert shares == sorted(shares, reverse=True)


def test_answers_do_not_depend_on_what_is_computed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, network = data([ANSWERED, NONE, LONG]), Drawn()
    together = made.answers(network)
    monkeypatch.setattr("maskwright.tasks.spans.TOKENS_AT_ONCE", 1)
    assert made.answers(network) == together


def test_the_best_spans_are_those_of_brute_force() -> None:
    rng = generator(0, "spans")
    for _ in range(100):
        count, longest = int(rng.integers(1, 9)), int(rng.integers(1, 6))
        start, end = rng.normal(size=(2, count)).astype(np.float32)
        own = rng.random(count) < 0.7
        every = [(start[i] + end[j], i, j) for i in range(count) if own[i] for j in range(i, min(i + longest, count))]
        every.sort(key=lambda one: (-one[0], one[1], one[2]))
        places = np.arange(count)[:, None] + np.array([0, 1])
        found = best_spans(start, end, own, places, "abcdefghi", longest, 4)
        assert [(one.start, one.end - 1) for one in found] == [(i, j) for _, i, j in every[:4]]
        assert len(best_spans(start, end, own, places, "abcdefghi", longest, 1000)) == len(every)


def test_measures_are_those_of_the_language_and_the_version() -> None:
    assert measures([ANSWERED], ["cat"]) == {"exact": 1.0, "f1": 1.0}
    found = measures([ANSWERED, NONE], ["the cats", ""])
    assert found["unanswered_f1"] == 1.0 and found["exact"] == 0.5
    chinese = Question("谁败走？", "却说曹操败走。", (Answer("曹操", 2),), False, "q")
    assert measures([chinese], ["曹操败"]) == chinese_questions.scores([["曹操"]], ["曹操败"])
    nobody = chinese._replace(answers=(), impossible=True)
    assert measures([chinese, nobody, nobody], ["曹操", "", "曹"]) == {"exact": 2 / 3, "f1": 2 / 3}


def test_a_context_without_a_token_is_answered_with_nothing() -> None:
    (reply,) = data([Question("who ?", "\u200b", (), False, "q")]).answers(Drawn())
    assert [one.text for one in reply.answers] == [""] and reply.answers[0].probability == 1.0 and reply.best == ""
