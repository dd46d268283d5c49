"""WordPiece, BERT's tokenizer (Devlin et al. 2019, section 4.1; google-research/bert, tokenization.py).

Text is cleaned, lower-cased and stripped of accents, cut into words at white space and punctuation
with each Chinese character a word of its own, and each word into the longest pieces of the
vocabulary from the left; pieces inside a word are written with ##.

The rules are those of the `tokenizers` library, and ids are equal to its own. It departs from Google's
Python in rare characters: it also drops private-use characters, knows older Unicode tables,
leaves U+2B820 to U+2B91F together, has no rule for a final sigma ("ΟΔΟΣ"), and takes words of more
than 100 characters for unknown where Google's limit is 200 (`max_input_chars_per_word`).

Words are the pre-tokenizer's: every mark is one, so a contraction is three (don ' t) and so is well-known; in
Chinese they are the segmenter's.

>>> tokenizer = WordPiece([*SPECIAL_TOKENS, "don", "'", "t", "-", "预", "测", "prob", "##ability"])
>>> encoded = tokenizer.encode_sentences(["don't - 预测probability"])
>>> [tokenizer.id_to_token(i) for i in encoded.token_ids[encoded.word_starts == 1].tolist()]
['don', "'", 't', '-', '预', '测', 'prob']
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from tokenizers import AddedToken, decoders, models
from tokenizers import Tokenizer as Library

from maskwright.errors import BadInput
from maskwright.text.words import Segmenter
from maskwright.tokenizers.bert_words import BertWords
from maskwright.tokenizers.files import (
    LAYOUT,
    ROLES,
    SPECIAL_TOKENS,
    WordPieceOptions,
    folder_files,
    read_tokenizer_config,
    read_tokenizer_json,
    read_vocab,
)
from maskwright.tokenizers.lookup import Encoded, Lookup
from maskwright.tokenizers.pairs import Side
from maskwright.tokenizers.tokenizer import Kind, Tokenizer, Vocabulary
from maskwright.tokenizers.training import new_tokenizer, train_tokens


class WordPiece(Tokenizer):
    """A vocabulary and the rules that apply it."""

    kind: ClassVar[Kind] = "wordpiece"
    layout = LAYOUT

    def __init__(
        self, tokens: Sequence[str], options: WordPieceOptions | None = None, where: str = "vocabulary"
    ) -> None:
        """Raises BadInput for a token that stands twice, and for a special token that is missing."""
        options = options or WordPieceOptions()
        if options.strip_accents == options.lowercase:
            options = options.with_changes(strip_accents=None)  # one way to say it, so equal ones look equal
        self.options = options
        self.vocabulary = Vocabulary(tokens, ROLES, SPECIAL_TOKENS, where=where)

    @staticmethod
    def train(
        sentences: Iterable[str],
        vocab_size: int,
        *,
        lowercase: bool = True,
        strip_accents: bool | None = None,
        min_count: int = 2,
    ) -> "WordPiece":
        """A tokenizer with at most `vocab_size` tokens; the same text gives the same one everywhere.

        sentences  read three times; an iterator that cannot be is put into a list
        min_count  characters and pairs of pieces that occur less often get no token
        """
        text = list(sentences) if iter(sentences) is sentences else sentences
        options = WordPieceOptions(lowercase=lowercase, strip_accents=strip_accents)
        return WordPiece(train_tokens(lambda: text, vocab_size, min_count, options), options)

    @staticmethod
    def load(path: str | Path, **changes: object) -> "WordPiece":
        """From a vocab.txt, a tokenizer.json, or a folder in the Hugging Face layout.

        In a folder, tokenizer.json comes before vocab.txt, and tokenizer_config.json has the last word.
        `changes` replaces options, for a vocab.txt that comes without any: `lowercase=False`.
        Raises BadInput in one line for what is not a BERT tokenizer.
        """
        path, options = Path(path), WordPieceOptions()
        file = path
        if path.is_dir():
            file = next((path / name for name in ("tokenizer.json", "vocab.txt") if (path / name).is_file()), path)
            if file == path:
                raise BadInput(f"{path} has neither tokenizer.json nor vocab.txt: name a folder that has one")
        if file.suffix == ".json":
            tokens, options = read_tokenizer_json(file)
        else:
            tokens = read_vocab(file)
        if path.is_dir() and (path / "tokenizer_config.json").is_file():
            options = read_tokenizer_config(path / "tokenizer_config.json", options)
        return WordPiece(tokens, options.with_changes(**changes), str(file))

    def files(self) -> dict[str, bytes]:
        """As `Tokenizer.files`. Stock `AutoTokenizer` always takes words of more than 100 characters for unknown."""
        return folder_files(list(self.tokens), self.options)

    @property
    def pad_id(self) -> int:
        """Of [PAD]."""
        return self.vocabulary.ids["[PAD]"]

    @property
    def unk_id(self) -> int:
        """Of [UNK]."""
        return self.vocabulary.ids["[UNK]"]

    @property
    def cls_id(self) -> int:
        """Of [CLS]."""
        return self.vocabulary.ids["[CLS]"]

    @property
    def sep_id(self) -> int:
        """Of [SEP]."""
        return self.vocabulary.ids["[SEP]"]

    @property
    def mask_id(self) -> int:
        """Of [MASK]."""
        return self.vocabulary.ids["[MASK]"]

    @cached_property
    def _plain(self) -> Library:
        """Knows no special token: what looks like one in a text is text."""
        limit = self.options.max_input_chars_per_word
        model = models.WordPiece(vocab=self.vocabulary.ids, unk_token="[UNK]", max_input_chars_per_word=limit)
        return new_tokenizer(model, self.options)

    @cached_property
    def _marked(self) -> Library:
        """Takes [MASK] and its like in a text for the special tokens."""
        tokenizer = Library.from_str(self._plain.to_str())
        tokenizer.decoder = decoders.WordPiece(prefix="##")
        tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL_TOKENS])
        return tokenizer

    @cached_property
    def _lookup(self) -> Lookup:
        return Lookup(BertWords(self._plain), self.unk_id)

    def encode_sentences(
        self, sentences: Sequence[str], segmenter: Segmenter | None = None, unknown: list[tuple[int, str]] | None = None
    ) -> Encoded:
        """As `Tokenizer.encode_sentences`.

        >>> tokenizer = WordPiece([*SPECIAL_TOKENS, "un", "##able", "a", "语", "言"])
        >>> encoded = tokenizer.encode_sentences(["Unable, a", "", "语言"])
        >>> encoded.token_ids.tolist(), encoded.word_starts.tolist(), encoded.lengths.tolist()
        ([5, 6, 1, 7, 8, 9], [1, 0, 1, 1, 1, 1], [4, 0, 2])
        """
        return self._lookup.encode(sentences, segmenter, unknown)

    def sides(self, texts: Sequence[str], *, special_in_text: bool) -> list[Side]:
        """As `Tokenizer.sides`."""
        library = self._marked if special_in_text else self._plain
        return [Side.of(encoding) for encoding in library.encode_batch(list(texts), add_special_tokens=False)]

    def decode(self, ids: Iterable[int], *, skip_special: bool = False) -> str:
        """Pieces joined to text: what was lost on the way in, such as capitals, does not come back."""
        return self._marked.decode([int(index) for index in ids], skip_special_tokens=skip_special)
