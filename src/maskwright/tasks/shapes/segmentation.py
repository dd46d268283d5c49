"""Where words end in Chinese: a tag of B, M, E or S for each character, and words again from tags.

Xue (2003), "Chinese Word Segmentation as Character Tagging". Reads `Tagged`, answers with `TagScores`; a model of these
four tags and no other is one of segmentation.
"""

from collections.abc import Mapping, Sequence

from maskwright.checkpoints.task_part import SEGMENTS, TaskPart
from maskwright.errors import BadInput
from maskwright.tasks.data import Columns, DataConfig, Scorer
from maskwright.tasks.examples import Tagged
from maskwright.tasks.inputs import Inputs
from maskwright.tasks.metrics import segmentation
from maskwright.tasks.reading import tables
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.reading.rows import is_table
from maskwright.tasks.reading.segmented import segmented
from maskwright.tasks.schemes import tags_of_words, words_of_tags
from maskwright.tasks.words import WordData

CHIEF = {"words": "f1"}
COLUMNS = Columns("words", None, None)


class SegmentedData:
    """Sentences of one split as tagged characters; see `SplitData`."""

    cut = 0

    def __init__(self, examples: Sequence[Tagged], inputs: Inputs, part: TaskPart, *, length: int) -> None:
        self._characters = WordData(examples, inputs, part, length=length)
        self.examples, self.part, self.sequences = examples, part, self._characters.sequences
        self.windows = self._characters.windows
        self.batches = self._characters.batches

    def answers(self, network: Scorer) -> list[list[str]]:
        """The words of each sentence."""
        tags = self._characters.answers(network)
        return [words_of_tags(one.words, found) for one, found in zip(self.examples, tags, strict=True)]

    def measures(self, answers: Sequence[Sequence[str]]) -> Mapping[str, float]:
        """Precision, recall and F1 of words, as SIGHAN has them."""
        return segmentation.scores([words_of_tags(one.words, one.tags or ()) for one in self.examples], answers)

    def different(self, answers: Sequence[Sequence[str]]) -> int:
        """How many different lengths of words there are, where there is more than one sentence to tell."""
        return len({len(word) for words in answers for word in words})


encoded = SegmentedData


def examples(data: DataConfig, path: str, faults: Faults, *, labelled: bool = True) -> list[Tagged]:
    """A sentence a line, white space between its words; of a table the column of lists of words.

    Without labels the lines are text, and so is the column.
    """
    if not is_table(path):
        return list(segmented(path, faults, segmented=labelled))
    column = data.text or COLUMNS.text
    found: list[Tagged] = []
    for one in tables.tagged(path, faults, words=column, tags=None, joined=True):
        tags = tags_of_words(one.words) if labelled else None
        found.append(one._replace(words=tuple("".join(one.words)), tags=tags))
    return found


def part_of(train: Sequence[Tagged], dev: Sequence[Tagged], data: DataConfig) -> TaskPart:
    """The four tags. BadInput where no training sentence has a word of two characters."""
    if all(tag == "S" for one in train for tag in one.tags or ()):
        raise BadInput(f"{data.train or data.folder} has no word of two characters: are there spaces between words?")
    return TaskPart("words", SEGMENTS)
