"""What the tests of reading share: sample documents in each form, and how a refusal is looked at."""

import json
from pathlib import Path

import pytest

from maskwright.errors import BadInput
from maskwright.text.readers import Document, read_documents
from maskwright.text.samples import sample


def chapters(language: str, count: int = 12) -> list[list[str]]:
    """The sentences of the first chapters of a sample."""
    return [list(document.sentences) for document in sample(language)[:count]]


def texts(language: str, count: int = 12) -> list[str]:
    """Each chapter as one text of paragraphs, a line each, none of them as short as a line that was wrapped."""
    return ["\n".join(" ".join(one[at : at + 8]) for at in range(0, len(one), 8)) for one in chapters(language, count)]


def as_sentences(documents: list[list[str]]) -> str:
    return "\n\n".join("\n".join(document) for document in documents) + "\n"


def as_jsonl(documents: list[list[str]]) -> str:
    return "".join(json.dumps({"id": 1, "text": "\n".join(document)}) + "\n" for document in documents)


def read(*inputs: str | Path, shape: str = "auto", language: str = "en", column: str = "text") -> list[Document]:
    return list(read_documents(inputs, shape=shape, language=language, column=column))  # type: ignore[arg-type]


def characters(documents: list[Document]) -> list[str]:
    """Of each document, its characters without white space."""
    return ["".join("".join(document.sentences).split()) for document in documents]


def squeezed(texts: list[str]) -> list[str]:
    """The same of texts."""
    return ["".join(text.split()) for text in texts]


def refusal(*inputs: str | Path, shape: str = "auto", language: str = "en", column: str = "text") -> str:
    """The message with which `inputs` are refused: one line, exit code 2."""
    with pytest.raises(BadInput) as caught:
        read(*inputs, shape=shape, language=language, column=column)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700
    return str(caught.value)
