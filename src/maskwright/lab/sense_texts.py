"""Sentences in which a word may stand: of a corpus, of text files, or of the sample texts."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from maskwright.corpus.read import Corpus
from maskwright.text.inputs import find_inputs, open_input
from maskwright.text.lines import text_lines
from maskwright.text.samples import sample
from maskwright.text.sentences import split_sentences


def sample_sentences(language: str) -> Iterator[str]:
    """Of the sample text."""
    return (sentence for chapter in sample(language) for sentence in chapter.sentences)


def file_sentences(files: Sequence[Path], language: str) -> Iterator[str]:
    """Of text files, plain or compressed; lines are cut into sentences."""
    for file in find_inputs(files):
        for _, line in text_lines(open_input(file), file.name):
            yield from split_sentences(line, language)


def corpus_sentences(corpus: Corpus, word: str) -> Iterator[str]:
    """Those of a corpus, training and held-out, with the word's letters in them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    compute: Any = pc  # its functions are made when it is imported
    for split in (corpus.train, corpus.held_out):
        for shard in split.shards:
            if shard.text is not None and len(shard.text):
                column = pa.array(shard.text, pa.large_string()) if isinstance(shard.text, list) else shard.text
                yield from column.filter(compute.match_substring(column, word)).to_pylist()
