"""Labelled texts as data: cut where they are longer than fits, and only there."""

import pytest

from maskwright.checkpoints.task_part import TaskPart
from maskwright.objectives.sequence_scores import Asks
from maskwright.tasks.examples import Labelled
from maskwright.tasks.inputs import TransformerInputs
from maskwright.tasks.texts import TextData
from maskwright.training.finetuning import finetuning
from tests.checkpoints import made_up
from tests.models.networks import draw_weights


def test_only_texts_that_lose_something_count_as_cut() -> None:
    texts = ["the cat sat", "the cat sat on", "the cat sat on a mat"]  # with [CLS] and [SEP] 5, 6 and 8 tokens
    examples = [Labelled(text, None, "x", f"a.csv line {n}") for n, text in enumerate(texts)]
    data = TextData(
        examples, TransformerInputs(made_up.tokenizer(), segments=2), TaskPart("class", ("x", "y")), length=6
    )
    assert data.cut == 1 and data.sequences.lengths.tolist() == [5, 6, 6]


@pytest.mark.parametrize("asks", ["class", "classes", "number"])
def test_answers_do_not_depend_on_what_is_computed_at_once(asks: Asks, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = ("number",) if asks == "number" else ("x", "y", "z")
    part = TaskPart(asks, labels)
    network = finetuning(made_up.config(), part, 0.1)
    draw_weights(network, 0)
    texts = ["the cat sat on a mat", "paris", "the river of france is long", "a cat"] * 5
    right = {"class": "x", "classes": ("x", "z"), "number": 1.5}[asks]
    examples = [Labelled(text, None, right, f"a.csv line {n}") for n, text in enumerate(texts)]
    data = TextData(examples, TransformerInputs(made_up.tokenizer(), segments=2), part, length=64)
    found: list[list[float]] = []
    for tokens in (1, 30, 4096):
        monkeypatch.setattr("maskwright.tasks.texts.TOKENS_AT_ONCE", tokens)
        answers = data.answers(network)
        found.append([share for answer in answers for share in answer.shares.values()] or [a.label for a in answers])
    assert found[0] == pytest.approx(found[1], abs=1e-6)
    assert found[0] == pytest.approx(found[2], abs=1e-6)
    assert found[0][: len(found[0]) // 5] * 5 == pytest.approx(found[0], abs=1e-6)  # order is kept
