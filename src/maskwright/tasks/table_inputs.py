"""How texts become what a table of vectors reads: the tokens of the text alone, no special ones around them."""

from collections.abc import Sequence

from maskwright.tasks.examples import Tagged
from maskwright.tasks.inputs import Cut, FlatPieces
from maskwright.tasks.separate_texts import separate
from maskwright.tasks.windows import Window, windows
from maskwright.tokenizers.pairs import A, EncodedPair, Layout, Text
from maskwright.tokenizers.tokenizer import Tokenizer

LAYOUT = Layout(single=((A, 0),), pair=())


class TableInputs:
    """Tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    def texts(self, texts: Sequence[Text], length: int | None) -> Cut:
        """Each text of at most `length` tokens; None: nothing is cut."""
        return separate(texts, self.tokenizer.sides_of, LAYOUT, {}, length)

    def windows(self, sentences: Sequence[Tagged], length: int) -> list[Window]:
        """See `tasks.windows`; special tokens around a sentence have no vector, and count for nothing."""
        return windows(sentences, self.tokenizer, length)

    def flat(self, encoded: Sequence[EncodedPair]) -> FlatPieces:
        """See `Inputs.flat`."""
        return FlatPieces(encoded, segments=0, language=None)
