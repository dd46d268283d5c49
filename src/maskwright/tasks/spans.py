"""Questions with their contexts as data of a fine-tuning: where an answer begins and ends, or that there is none."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from maskwright.batch import Batch, Integers
from maskwright.checkpoints.span_settings import SpanSettings
from maskwright.checkpoints.task_part import TaskPart
from maskwright.objectives.span_scores import UNKNOWN
from maskwright.tasks.data import TOKENS_AT_ONCE, Scorer
from maskwright.tasks.examples import Question, is_labelled
from maskwright.tasks.inputs import Inputs
from maskwright.tasks.metrics import chinese_questions, questions
from maskwright.tasks.span_answers import Found, Reply, best_spans, reply
from maskwright.tasks.stretches import Stretch, passages, tokens_of
from maskwright.text.characters import IDEOGRAPH_CLASS
from maskwright.training.labelled_sequences import LabelledSequences

_CHINESE = re.compile(f"[{IDEOGRAPH_CLASS}]")


class QuestionData:
    """Questions of one split, each with all stretches of its context; see `SplitData`.

    sequences  one a stretch. The right answer of one that does not hold all of it is [CLS], as run_squad.py learns;
               of a question whose answers stand nowhere nothing is known to be right
    cut        how many questions lose their end, or have an answer that no stretch holds
    """

    def __init__(self, examples: Sequence[Question], inputs: Inputs, part: TaskPart, *, length: int) -> None:
        self.examples, self.part = examples, part
        self.settings = part.span or SpanSettings()
        made = passages(examples, inputs.tokenizer, self.settings, min(length, self.settings.length))
        self.stretches, self._offsets = made.stretches, made.offsets
        spans = [_right(one, its) for one, its in zip(examples, made.offsets, strict=True)]
        held = {one.question for one in made.stretches if _holds(one, spans[one.question])}
        lost = {n for n, one in enumerate(examples) if any(a.start is not None for a in one.answers)} - held
        self.cut = len(made.cut | lost)
        labels = None
        if all(is_labelled(one) for one in examples):
            rows = [_label(one, spans[one.question], examples[one.question]) for one in made.stretches]
            labels = np.array(rows, np.int64).reshape(-1, 2)
        self.sequences = LabelledSequences([one.encoded for one in made.stretches], labels, inputs)

    def batches(self) -> Iterator[Batch]:
        """All of them."""
        return (batch for _, batch in self.sequences.in_order(TOKENS_AT_ONCE))

    @torch.inference_mode()
    def answers(self, network: Scorer) -> list[Reply]:
        """What is answered to each question, with what else it could be."""
        found: list[list[Found]] = [[] for _ in self.examples]
        null = [np.inf] * len(self.examples)
        for which, batch in self.sequences.in_order(TOKENS_AT_ONCE):
            scores = network.scores(batch.to(network.device)).float().cpu().numpy()
            of_sequences = np.split(scores, batch.cu_seqlens[1:-1].tolist())
            for i, its in zip(which.tolist(), of_sequences, strict=True):
                one = self.stretches[i]
                start, end = its[one.row : one.row + len(one.own)].T
                places = self._offsets[one.question][one.first : one.end]
                context = self.examples[one.question].context
                found[one.question] += best_spans(start, end, one.own, places, context, self.settings.answer)
                null[one.question] = min(null[one.question], float(its[one.null].sum()))
        return [
            reply(spans, none, example.context, self.settings.threshold)
            for spans, none, example in zip(found, null, self.examples, strict=True)
        ]

    def measures(self, answers: Sequence[Reply]) -> Mapping[str, float]:
        """exact and f1, see `measures`."""
        return measures(self.examples, [answer.answers[0].text for answer in answers])

    def different(self, answers: Sequence[Reply]) -> int:
        """How many different texts are answered."""
        return len({answer.answers[0].text for answer in answers})


class Span(NamedTuple):
    """Tokens of a context, both ends included."""

    first: int
    last: int


def measures(examples: Sequence[Question], said: Sequence[str]) -> Mapping[str, float]:
    """As the official scripts have them: CMRC's where answers are Chinese, else SQuAD's; its 2.0 where some questions
    have no answer, else its 1.1.
    """
    given = [_texts(one) for one in examples]
    some_without = any(one.impossible for one in examples)
    if not _are_chinese(given):
        return questions.scores(given, said, "2.0" if some_without else "1.1")
    if not some_without:
        return chinese_questions.scores(given, said)
    found = values(examples, said)
    return {"exact": sum(one.exact for one in found) / len(found), "f1": sum(one.f1 for one in found) / len(found)}


def values(examples: Sequence[Question], said: Sequence[str]) -> list[questions.Value]:
    """exact and f1 of each question; of one without an answer 1 where none is given."""
    given = [_texts(one) for one in examples]
    if not _are_chinese(given):
        return questions.values(given, said, "2.0")
    found: list[questions.Value] = []
    for right, one in zip(given, said, strict=True):
        score = chinese_questions.scores([right], [one]) if right else dict.fromkeys(("exact", "f1"), float(not one))
        found.append(questions.Value(score["exact"], score["f1"]))
    return found


def _texts(example: Question) -> list[str]:
    return [answer.text for answer in example.answers]


def _are_chinese(given: Sequence[Sequence[str]]) -> bool:
    """Whether half of the answered questions or more have an answer with a Chinese character."""
    answered = [one for one in given if one]
    return 2 * sum(_CHINESE.search("".join(one)) is not None for one in answered) >= max(1, len(answered))


def _right(example: Question, offsets: Integers) -> Span | None:
    """The tokens of the first answer that stands in the context; None where there is none."""
    for text, start in example.answers:
        if start is not None and (found := tokens_of(start, start + len(text), offsets)) is not None:
            return Span(*found)
    return None


def _holds(one: Stretch, span: Span | None) -> bool:
    return span is not None and one.first <= span.first and span.last < one.end


def _label(one: Stretch, span: Span | None, example: Question) -> tuple[int, int]:
    """Where the answer begins and ends in the sequence; the row of [CLS] where it holds none, or not all of it."""
    if span is None and not example.impossible:
        return UNKNOWN, UNKNOWN
    if span is None or not _holds(one, span):
        return one.null, one.null
    return one.row + span.first - one.first, one.row + span.last - one.first
