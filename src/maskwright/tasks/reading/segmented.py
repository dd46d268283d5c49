"""Segmented Chinese, as SIGHAN's second bakeoff has it (Emerson 2005): a sentence a line, white space between words.

msr and pku have two spaces, cityu one, as an ideographic one: all are white space. Test files are the same text without
any. Words become characters with BMES tags.
"""

from collections.abc import Iterator
from pathlib import Path

from maskwright.tasks.examples import Tagged
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.reading.rows import numbered_lines
from maskwright.tasks.schemes import tags_of_words


def segmented(path: str | Path, faults: Faults, *, segmented: bool = True) -> Iterator[Tagged]:
    """The sentences of a file, without empty lines; without tags where it is not segmented."""
    del faults  # any line is one
    for where, line in numbered_lines(path):
        words = line.split()
        if words:
            yield Tagged(tuple("".join(words)), tags_of_words(words) if segmented else None, where, joined=True)
