"""Text to build corpora from, and what lies in folders and splits."""

from collections.abc import Iterator
from pathlib import Path

from maskwright.corpus.read import Split
from maskwright.tokenizers.wordpiece import WordPiece


def write_sentences(path: Path, documents: list[list[str]]) -> Path:
    path.write_text("\n\n".join("\n".join(document) for document in documents) + "\n")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def documents(split: Split, tokenizer: WordPiece) -> Iterator[list[list[str]]]:
    """Every document of a split, as the tokens of its sentences."""
    for first, last in zip(split.document_offsets, split.document_offsets[1:], strict=False):
        yield [[tokenizer.id_to_token(int(i)) for i in split.sentence(s)] for s in range(first, last)]


def texts(split: Split, tokenizer: WordPiece) -> set[str]:
    return {repr(document) for document in documents(split, tokenizer)}
