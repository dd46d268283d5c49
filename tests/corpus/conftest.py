"""What the tests of building share."""

from pathlib import Path

import pytest

from maskwright.text.samples import sample
from maskwright.tokenizers.wordpiece import WordPiece
from tests.corpus.folders import write_sentences


@pytest.fixture(scope="module")
def tokenizer() -> WordPiece:
    return WordPiece.train([s for d in sample("en")[::4] for s in d.sentences], 2000)


@pytest.fixture(scope="module")
def chapters() -> list[list[str]]:
    return [list(chapter.sentences[:60]) for chapter in sample("en")[:120]]


@pytest.fixture(scope="module")
def text(chapters: list[list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sentences(tmp_path_factory.mktemp("text") / "chapters.txt", chapters)
