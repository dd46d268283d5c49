"""What a fine-tuned encoder without attention says of texts and words: the face that fine-tuned Transformers have."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from maskwright.checkpoints.task_part import OF_TOKENS
from maskwright.errors import BadInput
from maskwright.inference.texts import Text, checked_texts
from maskwright.tasks.answering import Task
from maskwright.tasks.data import SplitData
from maskwright.tasks.examples import Labelled, Tagged
from maskwright.tasks.inputs import Inputs
from maskwright.tasks.predictions import Prediction
from maskwright.tasks.texts import refuse_others

MADE_BY = {
    "tags": "tag words: `maskwright finetune tagging` makes one",
    "words": "segment Chinese: `maskwright finetune segmentation` makes one",
}
UNLIMITED = 2**31 - 1


class Answers(NamedTuple):
    """A task, and how the encoder below it reads; a text is never too long.

    where   the model, for messages
    task    None: it was not fine-tuned
    """

    where: str
    task: Task | None
    inputs: Inputs

    def predict(self, texts: Sequence[Text] | str) -> list[Prediction]:
        """What it answers for each text or pair. BadInput for a model that is not asked of texts."""
        if self.task is None:
            raise BadInput(
                f"{self.where} was not fine-tuned, so it predicts no labels: `maskwright finetune` makes a model that "
                "does; this one encodes texts"
            )
        if self.task.part.asks in OF_TOKENS:
            face = "sentences of words (tag)" if self.task.part.asks == "tags" else "Chinese to segment (segment)"
            raise BadInput(f"{self.where} tags words: give it {face}")
        given = checked_texts([texts] if isinstance(texts, str) else texts)
        pairs = [(text, None) if isinstance(text, str) else text for text in given]
        return self._answers([Labelled(*pair, None, f"text {n}") for n, pair in enumerate(pairs)])

    def tag(self, sentences: Sequence[Sequence[str]], *, joined: bool) -> list[list[str]]:
        """The tag of each word of each sentence. BadInput for a model that was not fine-tuned to tag."""
        self._refuse_unless("tags")
        return self._answers(
            [Tagged(tuple(words), None, f"sentence {n}", joined=joined) for n, words in enumerate(sentences)]
        )

    def segment(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of each Chinese text. BadInput for a model that was not fine-tuned to segment."""
        self._refuse_unless("words")
        whole = ["".join(text.split()) for text in checked_texts(texts) if isinstance(text, str)]
        return self._answers([Tagged(tuple(text), None, f"text {n}", joined=True) for n, text in enumerate(whole)])

    def examples(self, examples: Sequence[Any], length: int | None) -> SplitData:
        """Examples of its shape as it reads them, of at most `length` tokens; None: whole."""
        if self.task is None:
            raise BadInput(f"{self.where} was not fine-tuned: `maskwright finetune` makes a model that answers")
        if self.task.above is not None and self.task.part.asks not in OF_TOKENS:
            refuse_others(examples, pairs=self.task.above.pairs)
        return self.task.encoded(examples, self.inputs, length=UNLIMITED if length is None else length)

    def _answers(self, examples: Sequence[Any]) -> list[Any]:
        assert self.task is not None
        return self.examples(examples, None).answers(self.task.model)

    def _refuse_unless(self, asks: str) -> None:
        if self.task is None or self.task.part.asks != asks:
            raise BadInput(f"{self.where} was not fine-tuned to {MADE_BY[asks]}")
