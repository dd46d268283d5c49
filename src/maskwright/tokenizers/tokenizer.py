"""What a tokenizer is to the rest of the house, whatever its kind.

Corpora, objectives and encoders take a `Tokenizer`. A kind is one file beside this one; it brings its vocabulary,
its layout of special tokens and its way from text to pieces, and gets from here what follows from them.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal, Protocol, get_args

import numpy as np

from maskwright.durable import staged_folder
from maskwright.errors import BadInput
from maskwright.text.words import Segmenter
from maskwright.tokenizers.lookup import Encoded
from maskwright.tokenizers.pairs import EncodedPair, Integers, Layout, Side, Text, encode_pairs

Kind = Literal["wordpiece", "byte_bpe", "bpe", "unigram", "characters", "words"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Role = Literal["pad", "unk", "cls", "sep", "mask"]
_LONE = re.compile("[\ud800-\udfff]")  # halves of surrogate pairs are no text; U+FFFD stands for what they were


class Vocabulary:
    """Tokens in order of their ids, and which of them are special.

    roles    which special token does what; a kind may lack some
    special  all special tokens; some have no role of ours, such as XLNet's <eop>
    """

    def __init__(
        self, tokens: Sequence[str], roles: Mapping[Role, str], special: Sequence[str], *, where: str | Path
    ) -> None:
        """Raises BadInput for a token that stands twice or is no text, and for a special token that is missing."""
        self.tokens = tuple(tokens)
        self.roles = dict(roles)
        self.special = tuple(special)
        self.ids: dict[str, int] = {}
        for index, token in enumerate(self.tokens):
            if (first := self.ids.setdefault(token, index)) != index:
                raise BadInput(f"{where}: token {token!r} stands twice, as {first} and {index}; keep one of them")
            if not token or not token.isprintable():
                _check_text(token, index, where)
        if missing := [token for token in self.special if token not in self.ids]:
            raise BadInput(
                f"{where}: {', '.join(missing)} missing; the vocabulary has to have {' '.join(self.special)}"
            )

    def id_of(self, role: Role) -> int | None:
        """The id of the token with that role; None where there is none."""
        return self.ids[self.roles[role]] if role in self.roles else None


def _check_text(token: str, index: int, where: str | Path) -> None:
    if _LONE.search(token):
        raise BadInput(f"{where}: token {index} is no text ({token!r}): it cannot be written as UTF-8")
    if not token or "\n" in token:
        raise BadInput(f"{where}: token {index} is {token!r}; a token is a line of text")


class Tokenizer(Protocol):
    """Text to pieces, words and offsets, and back.

    kind        the name of the module that defines it
    vocabulary  its tokens
    layout      what stands around one text and around two
    """

    kind: ClassVar[Kind]
    vocabulary: Vocabulary
    layout: Layout

    def encode_sentences(
        self, sentences: Sequence[str], segmenter: Segmenter | None = None, unknown: list[tuple[int, str]] | None = None
    ) -> Encoded:
        """Many sentences at once as flat arrays, nothing around them; special tokens in the text stay text.

        segmenter  finds the words of Chinese text; without one each Chinese character is a word
        unknown    if given, is extended by (number of the sentence, text) for what became the unknown token, in order
        """
        ...

    def sides(self, texts: Sequence[str], *, special_in_text: bool) -> list[Side]:
        """Each text's pieces, with words and offsets; see `encode_pairs`."""
        ...

    def decode(self, ids: Iterable[int], *, skip_special: bool = False) -> str:
        """The text that pieces stand for, as far as they still tell."""
        ...

    def files(self) -> dict[str, bytes]:
        """Every file of the Hugging Face layout, by name; tokenizer.json is in one canonical form."""
        ...

    @property
    def pad_id(self) -> int | None:
        """Fills up; None where the kind has no such token, as with the four below."""
        return self.vocabulary.id_of("pad")

    @property
    def unk_id(self) -> int | None:
        """Stands for what the vocabulary cannot write."""
        return self.vocabulary.id_of("unk")

    @property
    def cls_id(self) -> int | None:
        """Begins a sequence (ends it in XLNet); its vector stands for the whole."""
        return self.vocabulary.id_of("cls")

    @property
    def sep_id(self) -> int | None:
        """Ends each text."""
        return self.vocabulary.id_of("sep")

    @property
    def mask_id(self) -> int | None:
        """Stands for a token to be guessed."""
        return self.vocabulary.id_of("mask")

    @cached_property
    def special_ids(self) -> Integers:
        """Ids of all special tokens, sorted."""
        return np.array(sorted(self.vocabulary.ids[token] for token in self.vocabulary.special), dtype=np.int64)

    @property
    def vocab_size(self) -> int:
        """Number of tokens, special ones included."""
        return len(self.vocabulary.tokens)

    @property
    def tokens(self) -> tuple[str, ...]:
        """All tokens, in order of their ids."""
        return self.vocabulary.tokens

    def id_to_token(self, index: int) -> str:
        """The token with the id `index`; IndexError when there is none."""
        if not 0 <= index < self.vocab_size:
            raise IndexError(f"no token {index}: there are {self.vocab_size}")
        return self.vocabulary.tokens[index]

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the canonical tokenizer.json: equal vocabulary and options, equal fingerprint."""
        return hashlib.sha256(self.files()["tokenizer.json"]).hexdigest()

    def encode_pair(
        self,
        text: str,
        pair: str | None = None,
        *,
        max_length: int | None = None,
        truncate: bool = False,
        special_in_text: bool = True,
    ) -> EncodedPair:
        """One text, or two, with the special tokens of the layout.

        max_length       the most tokens there may be, those around the text included
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

        def sides(parts: list[str]) -> list[Side]:
            return self.sides_of(parts, special_in_text=special_in_text)

        ids = self.vocabulary.ids
        return encode_pairs(texts, sides, self.layout, ids, max_length=max_length, truncate=truncate)

    def sides_of(self, texts: Sequence[str], *, special_in_text: bool = False) -> list[Side]:
        """As `sides`, of any text: halves of surrogate pairs become U+FFFD, and offsets stay right."""
        return self.sides([_LONE.sub("\ufffd", text) for text in texts], special_in_text=special_in_text)

    def save(self, folder: str | Path) -> None:
        """Write the Hugging Face files into `folder`, made when it is not there. Stock `AutoTokenizer` loads them."""
        folder = Path(folder)
        if folder.exists():
            self.save_into(folder)
            return
        with staged_folder(folder) as staged:
            self.save_into(staged)

    def save_into(self, folder: Path) -> None:
        """Write the files into a folder that is there."""
        for name, data in self.files().items():
            (folder / name).write_bytes(data)
