"""Which kind of encoder a folder holds, and what each can be asked."""

from maskwright.checkpoints.static_folder import model_type_of
from maskwright.errors import BadInput
from maskwright.tasks.encoders import Starting
from maskwright.tasks.encoders.elmo import ElmoStart
from maskwright.tasks.encoders.transformer import TransformerStart
from maskwright.tasks.encoders.word2vec import TableStart

OF_WORDS = {"elmo": ElmoStart, "word2vec": TableStart}
"""Encoders without attention."""
ASKED_OF_WORDS = ("classification", "regression", "tagging", "segmentation")


def starting(path: str, shape: str) -> Starting:
    """The encoder in a folder. BadInput where it cannot be asked that shape of task, saying which can."""
    kind = model_type_of(path)
    if kind == "bag_of_words":
        raise BadInput(f"{path} is a bag of words: it has no weights to move, and is fitted in one go")
    if (made := OF_WORDS.get(kind or "")) is None:
        return TransformerStart(path)
    if shape not in ASKED_OF_WORDS:
        raise BadInput(
            f"{path} is {kind}, which reads each text by itself: it learns {', '.join(ASKED_OF_WORDS)}; for {shape} "
            "take a Transformer"
        )
    return made(path)
