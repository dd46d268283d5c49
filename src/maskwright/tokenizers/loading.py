"""A tokenizer from its files, or from text, whatever its kind.

The kind is told from the files: from their names, and from the type of model in a tokenizer.json. It is looked up
among the modules here; nothing that a file names is imported or followed.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

from maskwright.errors import BadInput
from maskwright.text.words import Segmenter
from maskwright.tokenizers.bpe import BPE, END
from maskwright.tokenizers.byte_bpe import ByteBPE
from maskwright.tokenizers.characters import Characters
from maskwright.tokenizers.json_file import Table, read_json
from maskwright.tokenizers.tokenizer import KINDS, Kind, Tokenizer
from maskwright.tokenizers.unigram import Unigram
from maskwright.tokenizers.wordpiece import WordPiece
from maskwright.tokenizers.words import Words

_NAMES = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model")
_FILES = "tokenizer.json, vocab.txt, vocab.json with merges.txt, spiece.model, or sentencepiece.bpe.model"


def load_tokenizer(path: str | Path) -> Tokenizer:
    """The tokenizer in a folder of the Hugging Face layout, or in one of its files.

    In a folder, tokenizer.json comes before the others. Raises BadInput in one line for what is none of the kinds.
    """
    path = Path(path)
    match kind_of(path):
        case "wordpiece":
            return WordPiece.load(path)
        case "byte_bpe":
            return ByteBPE.load(path)
        case "bpe":
            return BPE.load(path)
        case "unigram":
            return Unigram.load(path)
        case "characters":
            return Characters.load(path)
        case "words":
            return Words.load(path)


def kind_of(path: Path) -> Kind:
    """Which kind the files at `path` are of; BadInput when it is none."""
    file = path
    if path.is_dir():
        file = next((path / name for name in _NAMES if (path / name).is_file()), path)
        if file == path:
            raise BadInput(f"{path} has no tokenizer: it takes {_FILES}")
    if not file.is_file():
        raise BadInput(f"{path} is no file or folder: name {_FILES}, or a folder with one of them")
    if file.name in ("vocab.json", "merges.txt"):
        vocabulary = file.with_name("vocab.json")
        return (
            "bpe"
            if vocabulary.is_file() and any(token.endswith(END) for token in read_json(vocabulary))
            else "byte_bpe"
        )
    if file.suffix == ".model":
        return "unigram"
    return _kind_of_json(file) if file.suffix == ".json" else "wordpiece"


def is_tokenizer(path: Path) -> bool:
    """Whether there is a tokenizer at `path`, by its files' names alone."""
    if path.is_dir():
        return any((path / name).is_file() for name in _NAMES)
    return path.is_file() and (path.name in _NAMES or path.suffix == ".model")


def _kind_of_json(path: Path) -> Kind:
    data = read_json(path)
    model = cast(Table, data["model"]) if isinstance(data.get("model"), dict) else {}
    match model.get("type", "BPE" if "merges" in model else "WordPiece"):
        case "WordPiece":
            return "wordpiece"
        case "Unigram":
            return "unigram"
        case "WordLevel":
            return "words"
        case "BPE" if model.get("end_of_word_suffix") == END:
            return "bpe"
        case "BPE":
            return "byte_bpe" if model.get("merges") or data.get("normalizer") is None else "characters"
        case other:
            raise BadInput(f"{path}: model {other!r} is not known; there are WordPiece, BPE, Unigram and WordLevel")


STYLES = {"byte_bpe": ("roberta", "gpt2"), "unigram": ("albert", "xlnet", "xlm-roberta")}
"""Whose special tokens and normalization a vocabulary of a kind may have."""


def train(
    kind: Kind,
    sentences: Iterable[str],
    vocab_size: int,
    *,
    lowercase: bool | None = None,
    min_count: int = 2,
    segmenter: Segmenter | None = None,
    style: str | None = None,
) -> Tokenizer:
    """A tokenizer of that kind with at most `vocab_size` tokens; the same text gives the same one everywhere.

    sentences  may be read several times; an iterator that cannot be is put into a list
    lowercase  None does what the kind does: all lower-case but byte_bpe and characters, which keep text as it is
    min_count  what occurs less often gets no token (unigram: the rarest characters, by SentencePiece's own rule)
    segmenter  of Chinese, for kind words; with the others it has no say in the vocabulary
    style      whose special tokens it gets, see `STYLES`; None: the first of its kind
    """
    there = STYLES.get(kind, ())
    if style is not None and style not in there:
        known = f"there are {', '.join(there)}" if there else "its special tokens are always the same"
        raise BadInput(f"style {style!r}: {kind} has none of that name ({known})")
    if kind in ("byte_bpe", "characters") and lowercase:
        raise BadInput(f"{kind} keeps text as it is: lower-case it beforehand, or take another kind")
    as_said, lowercase = lowercase, lowercase is not False
    if kind not in KINDS:  # from a command line, or a caller without types
        raise BadInput(f"kind {kind!r} is not known: there are {', '.join(KINDS)}")
    match kind:
        case "wordpiece":
            return WordPiece.train(sentences, vocab_size, lowercase=lowercase, min_count=min_count)
        case "byte_bpe":
            return ByteBPE.train(sentences, vocab_size, style=style or "roberta", min_count=min_count)  # pyright: ignore[reportArgumentType]
        case "bpe":
            return BPE.train(sentences, vocab_size, lowercase=lowercase, min_count=min_count)
        case "unigram":
            if style is None:
                return Unigram.train(sentences, vocab_size, lowercase=lowercase)
            return Unigram.train(sentences, vocab_size, style=style, lowercase=as_said)  # pyright: ignore[reportArgumentType]
        case "characters":
            return Characters()
        case "words":
            return Words.train(sentences, vocab_size, lowercase=lowercase, min_count=min_count, segmenter=segmenter)
