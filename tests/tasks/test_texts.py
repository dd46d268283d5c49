"""Labelled texts as data: cut where they are longer than fits, and only there."""

from maskwright.checkpoints.task_part import TaskPart
from maskwright.tasks.examples import Labelled
from maskwright.tasks.inputs import TransformerInputs
from maskwright.tasks.texts import TextData
from tests.checkpoints import made_up


def test_only_texts_that_lose_something_count_as_cut() -> None:
    texts = ["the cat sat", "the cat sat on", "the cat sat on a mat"]  # with [CLS] and [SEP] 5, 6 and 8 tokens
    examples = [Labelled(text, None, "x", f"a.csv line {n}") for n, text in enumerate(texts)]
    data = TextData(
        examples, TransformerInputs(made_up.tokenizer(), segments=2), TaskPart("class", ("x", "y")), length=6
    )
    assert data.cut == 1 and data.sequences.lengths.tolist() == [5, 6, 6]
