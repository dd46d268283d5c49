"""WordPiece, BERT's tokenizer (Devlin et al. 2019, section 4.1; google-research/bert, tokenization.py).

Text is cleaned, lower-cased and stripped of accents, cut into words at white space and punctuation
with each Chinese character a word of its own, and each word into the longest pieces of the
vocabulary from the left; pieces inside a word are written with ##.

The rules are those of the `tokenizers` library, and ids are equal to its own. It departs from Google's
Python in rare characters: it also drops private-use characters, knows older Unicode tables,
leaves U+2B820 to U+2B91F together, has no rule for a final sigma ("ΟΔΟΣ"), and takes words of more
than 100 characters for unknown where Google's limit is 200 (`max_input_chars_per_word`).
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import AddedToken, Encoding, Tokenizer, decoders, models

from maskwright.durable import staged_folder
from maskwright.errors import BadInput
from maskwright.text.words import Segmenter
from maskwright.tokenizers.files import (
    SPECIAL_TOKENS,
    WordPieceOptions,
    check_tokens,
    folder_files,
    read_tokenizer_config,
    read_tokenizer_json,
    read_vocab,
    tokenizer_json,
)
from maskwright.tokenizers.lookup import Encoded, WordLookup
from maskwright.tokenizers.training import new_tokenizer, train_tokens

Integers = npt.NDArray[np.int64]
Text = str | tuple[str, str]
_LONE = re.compile("[\ud800-\udfff]")  # halves of surrogate pairs are no text; U+FFFD stands for what they were


class EncodedPair(NamedTuple):
    """[CLS] A [SEP], or [CLS] A [SEP] B [SEP], S tokens in all.

    ids       (S,) int64
    type_ids  (S,) int64, 0 up to the first [SEP], 1 behind it
    word_ids  (S,) int64, counted through A and B; -1 for [CLS] and [SEP]
    offsets   (S, 2) int64, [start, end) in characters of the text the token is from; 0, 0 for [CLS] and [SEP]
    tokens    S strings
    """

    ids: Integers
    type_ids: Integers
    word_ids: Integers
    offsets: Integers
    tokens: tuple[str, ...]


class WordPiece:
    """A vocabulary and the rules that apply it."""

    def __init__(
        self, tokens: Sequence[str], options: WordPieceOptions | None = None, where: str = "vocabulary"
    ) -> None:
        """Raises BadInput for a token that stands twice, and for a special token that is missing."""
        options = options or WordPieceOptions()
        if options.strip_accents == options.lowercase:
            options = options.with_changes(strip_accents=None)  # one way to say it, so equal ones look equal
        self.options = options
        self._tokens = list(tokens)
        check_tokens(self._tokens, where)
        self._ids = {token: index for index, token in enumerate(self._tokens)}
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (self._ids[t] for t in SPECIAL_TOKENS)
        self.special_ids: Integers = np.array(sorted(self._ids[token] for token in SPECIAL_TOKENS))

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

    def save(self, folder: str | Path) -> None:
        """Write the Hugging Face files into `folder`, made when it is not there.

        Stock `AutoTokenizer` loads them; it always takes words of more than 100 characters for unknown.
        """
        folder = Path(folder)
        if not folder.exists():
            with staged_folder(folder) as staged:
                self.save_into(staged)
        else:
            self.save_into(folder)

    def save_into(self, folder: Path) -> None:
        """Write the files into a folder that is there."""
        for name, data in folder_files(self._tokens, self.options).items():
            (folder / name).write_bytes(data)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the canonical tokenizer.json: equal vocabulary and options, equal fingerprint."""
        return hashlib.sha256(tokenizer_json(self._tokens, self.options)).hexdigest()

    @property
    def vocab_size(self) -> int:
        """Number of tokens, special ones included."""
        return len(self._tokens)

    @property
    def tokens(self) -> tuple[str, ...]:
        """All tokens, in order of their ids."""
        return tuple(self._tokens)

    def id_to_token(self, index: int) -> str:
        """The token with the id `index`; IndexError when there is none."""
        if not 0 <= index < len(self._tokens):
            raise IndexError(f"no token {index}: there are {len(self._tokens)}")
        return self._tokens[index]

    @cached_property
    def _plain(self) -> Tokenizer:
        """Knows no special token: what looks like one in a text is text."""
        limit = self.options.max_input_chars_per_word
        model = models.WordPiece(vocab=self._ids, unk_token="[UNK]", max_input_chars_per_word=limit)
        return new_tokenizer(model, self.options)

    @cached_property
    def _marked(self) -> Tokenizer:
        """Takes [MASK] and its like in a text for the special tokens."""
        tokenizer = Tokenizer.from_str(self._plain.to_str())
        tokenizer.decoder = decoders.WordPiece(prefix="##")
        tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL_TOKENS])
        return tokenizer

    @cached_property
    def _lookup(self) -> WordLookup:
        return WordLookup(self._plain, self.unk_id)

    def encode_sentences(
        self, sentences: Sequence[str], segmenter: Segmenter | None = None, unknown: list[tuple[int, str]] | None = None
    ) -> Encoded:
        """Many sentences at once as flat arrays, without [CLS] and [SEP]; special tokens in the text stay text.

        segmenter  finds the words of Chinese text; without one each Chinese character is a word
        unknown    if given, is extended by (number of the sentence, word) for the words that became [UNK], in order

        >>> tokenizer = WordPiece([*SPECIAL_TOKENS, "un", "##able", "a", "语", "言"])
        >>> encoded = tokenizer.encode_sentences(["Unable, a", "", "语言"])
        >>> encoded.token_ids.tolist(), encoded.word_starts.tolist(), encoded.lengths.tolist()
        ([5, 6, 1, 7, 8, 9], [1, 0, 1, 1, 1, 1], [4, 0, 2])
        """
        return self._lookup.encode(sentences, segmenter, unknown)

    def encode_pair(
        self,
        text: str,
        pair: str | None = None,
        *,
        max_length: int | None = None,
        truncate: bool = False,
        special_in_text: bool = True,
    ) -> EncodedPair:
        """One text, or two, with [CLS] and [SEP] around them.

        max_length       the most tokens there may be, [CLS] and [SEP] included
        truncate         cut the longer text from its end until they fit, instead of raising BadInput
        special_in_text  take "[MASK]" and its like in the text for the special token
        """
        given = text if pair is None else (text, pair)
        return self.encode_pairs([given], max_length=max_length, truncate=truncate, special_in_text=special_in_text)[0]

    def encode_pairs(
        self,
        texts: Sequence[Text],
        *,
        max_length: int | None = None,
        truncate: bool = False,
        special_in_text: bool = True,
    ) -> list[EncodedPair]:
        """As `encode_pair`, for many texts and pairs of texts at once."""
        tokenizer = self._marked if special_in_text else self._plain
        flat = [_LONE.sub("\ufffd", part) for text in texts for part in ((text,) if isinstance(text, str) else text)]
        encodings = iter(tokenizer.encode_batch(flat, add_special_tokens=False))
        encoded: list[EncodedPair] = []
        for number, text in enumerate(texts):
            sides = [_Side.of(next(encodings)) for _ in range(1 if isinstance(text, str) else 2)]
            total = sum(len(side.ids) for side in sides) + len(sides) + 1
            if max_length is not None and total > max_length:
                if not truncate:
                    which = f"text {number} has" if len(texts) > 1 else "the text has"
                    raise BadInput(
                        f"{which} {total} tokens with [CLS] and [SEP], the limit is {max_length}: "
                        "shorten it or ask for truncation"
                    )
                sides = _truncated(sides, max_length - len(sides) - 1)
            encoded.append(self._assembled(sides))
        return encoded

    def _assembled(self, sides: "list[_Side]") -> EncodedPair:
        ids, type_ids, word_ids, offsets, tokens = [self.cls_id], [0], [-1], [(0, 0)], ["[CLS]"]
        words = 0
        for kind, side in enumerate(sides):
            ids += [*side.ids, self.sep_id]
            type_ids += [kind] * (len(side.ids) + 1)
            word_ids += [*(words + word for word in side.words), -1]
            offsets += [*side.offsets, (0, 0)]
            tokens += [*side.tokens, "[SEP]"]
            words += max(side.words, default=-1) + 1
        rows = [np.array(row, dtype=np.int64) for row in (ids, type_ids, word_ids)]
        return EncodedPair(rows[0], rows[1], rows[2], np.array(offsets, dtype=np.int64), tuple(tokens))

    def decode(self, ids: Iterable[int], *, skip_special: bool = False) -> str:
        """Pieces joined to text: what was lost on the way in, such as capitals, does not come back."""
        return self._marked.decode([int(index) for index in ids], skip_special_tokens=skip_special)


class _Side(NamedTuple):
    """One text of a pair."""

    ids: list[int]
    words: list[int]
    offsets: list[tuple[int, int]]
    tokens: list[str]

    @staticmethod
    def of(encoding: Encoding) -> "_Side":
        words = [-1 if word is None else word for word in encoding.word_ids]
        return _Side(encoding.ids, words, encoding.offsets, encoding.tokens)

    def cut(self, length: int) -> "_Side":
        return _Side(self.ids[:length], self.words[:length], self.offsets[:length], self.tokens[:length])


def _truncated(sides: list[_Side], room: int) -> list[_Side]:
    """Cut from the end of whichever side is longer, one token after another, the second when equal."""
    if room < 0:
        raise BadInput(f"max_length {room + len(sides) + 1} leaves no room for [CLS] and [SEP]: raise it")
    if len(sides) == 1:
        return [sides[0].cut(room)]
    short, long = sorted(len(side.ids) for side in sides)
    if short > room - short:
        short, long = room // 2, room - room // 2
    else:
        long = room - short
    lengths = (short, long) if len(sides[0].ids) <= len(sides[1].ids) else (long, short)
    return [side.cut(length) for side, length in zip(sides, lengths, strict=True)]
