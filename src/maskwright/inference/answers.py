"""What a fine-tuned encoder of any kind says of texts, words, questions and options: the face that all of them have."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from maskwright.errors import BadInput
from maskwright.inference.texts import Text, checked_texts
from maskwright.objectives.sequence_scores import Asks
from maskwright.tasks.answering import Task
from maskwright.tasks.choices import Chosen
from maskwright.tasks.data import SplitData
from maskwright.tasks.examples import Choice, Labelled, Question, Tagged
from maskwright.tasks.inputs import Inputs
from maskwright.tasks.predictions import Prediction
from maskwright.tasks.reading.tables import checked_choice
from maskwright.tasks.span_answers import BEST, Answered
from maskwright.tasks.texts import refuse_others

MADE_BY: dict[Asks, str] = {
    "tags": "tag words: `maskwright finetune tagging` makes one",
    "words": "segment Chinese: `maskwright finetune segmentation` makes one",
    "span": "answer questions: `maskwright finetune questions` makes one",
    "option": "choose: `maskwright finetune choice` makes one",
}
OTHER_FACES: dict[Asks, str] = {
    "tags": "tags words: give it sentences of words (tag)",
    "words": "segments Chinese: give it texts (segment)",
    "span": "answers questions from a context: give it both (answer)",
    "option": "chooses among options: give it a text and its options (choose)",
}
UNLIMITED = 2**31 - 1


class Answers(NamedTuple):
    """A task, and how the encoder below it reads.

    where     the model, for messages
    task      None: it was not fine-tuned
    longest   the most tokens of a sequence; None: none is too long
    apart     the texts of a pair are read each by itself
    """

    where: str
    task: Task | None
    inputs: Inputs
    longest: int | None = None
    apart: bool = False

    def predict(self, texts: Sequence[Text] | str, *, truncate: bool = False) -> list[Prediction]:
        """What it answers for each text or pair. BadInput for a model that is not asked of texts."""
        if self.task is None:
            raise BadInput(
                f"{self.where} was not fine-tuned, so it predicts no labels: `maskwright finetune` makes a model that "
                "does; this one encodes texts"
            )
        if (face := OTHER_FACES.get(self.task.part.asks)) is not None:
            raise BadInput(f"{self.where} {face}")
        given = checked_texts([texts] if isinstance(texts, str) else texts)
        pairs = [(text, None) if isinstance(text, str) else text for text in given]
        data = self.examples([Labelled(*pair, None, f"text {n}") for n, pair in enumerate(pairs)])
        if data.cut and not truncate:
            self.inputs.tokenizer.encode_pairs(given, max_length=self.longest)  # says which is too long
        return data.answers(self.task.model)

    def tag(self, sentences: Sequence[Sequence[str]], *, joined: bool) -> list[list[str]]:
        """The tag of each word of each sentence. BadInput for a model that was not fine-tuned to tag."""
        task = self._task("tags")
        examples = [Tagged(tuple(words), None, f"sentence {n}", joined=joined) for n, words in enumerate(sentences)]
        return self.examples(examples).answers(task.model)

    def segment(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of each Chinese text. BadInput for a model that was not fine-tuned to segment."""
        task = self._task("words")
        whole = ["".join(text.split()) for text in checked_texts(texts) if isinstance(text, str)]
        examples = [Tagged(tuple(text), None, f"text {n}", joined=True) for n, text in enumerate(whole)]
        return self.examples(examples).answers(task.model)

    def answer(self, questions: Sequence[tuple[str, str]], top: int, *, truncate: bool) -> list[list[Answered]]:
        """The `top` best answers to each question, see `Encoder.answer`."""
        task = self._task("span")
        if not 1 <= top <= BEST:
            raise BadInput(f"top {top}: choose 1 to {BEST}, the answers that are looked at")
        if (odd := next((one for one in checked_texts(questions) if isinstance(one, str)), None)) is not None:
            raise BadInput(f"{odd!r:.80} is a text: a question and its context were expected")
        data = self.examples([Question(*pair, (), False, f"question {n}") for n, pair in enumerate(questions)])
        if data.cut and not truncate:
            raise BadInput(
                f"{data.cut} of {len(questions)} questions have more tokens than {self.where} reads of one: shorten "
                "them or ask for truncation"
            )
        return [list(one.answers[:top]) for one in data.answers(task.model)]

    def choose(self, choices: Sequence[tuple[str, Sequence[str | tuple[str, ...]]]], *, truncate: bool) -> list[Chosen]:
        """The option chosen for each text, see `Encoder.choose`."""
        task = self._task("option")
        examples: list[Choice] = []
        for number, (first, given) in enumerate(choices):
            options = tuple((one,) if isinstance(one, str) else tuple(one) for one in given)
            checked_texts([first, *(text for option in options for text in option)])
            examples.append(checked_choice(Choice(first, options, None, f"choice {number}")))
        data = self.examples(examples)
        if data.cut and not truncate:
            raise BadInput(
                f"{data.cut} of {len(examples)} choices have more tokens than {self.where} reads, {self.longest}: "
                "shorten them or ask for truncation"
            )
        return data.answers(task.model)

    def examples(self, examples: Sequence[Any], length: int | None = None) -> SplitData:
        """Examples of its shape as it reads them, of at most `length` tokens; None: of as many as it can read."""
        if self.task is None:
            raise BadInput(f"{self.where} was not fine-tuned: `maskwright finetune` makes a model that answers")
        if length is not None and self.longest is not None and length > self.longest:
            raise BadInput(f"{length} tokens are more than the {self.longest} positions of {self.where}")
        if self.apart and self.task.above is not None and self.task.part.asks not in OTHER_FACES:
            refuse_others(examples, pairs=self.task.above.pairs)
        return self.task.encoded(examples, self.inputs, length=length or self.longest or UNLIMITED)

    def _task(self, asks: Asks) -> Task:
        """The task, if it is that one."""
        if self.task is None or self.task.part.asks != asks:
            raise BadInput(f"{self.where} was not fine-tuned to {MADE_BY[asks]}")
        return self.task
