"""`bench corpus`: how fast one processor makes a corpus of raw text, and that memory does not grow with it.

The text is jsonl whose documents are drawn sentences of the sample: as many megabytes as wanted, no document
twice. The sample's words would soon all be known, so words are made up among them, new ones as often as a text of
that length brings some (Heaps' law), and those made up before again, the earlier the more often (Zipf's). A row of
the result with "vocabulary" trained it in the same call. The limit is what parsing its lines alone takes (`reading`).
"""

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.draws import generator
from maskwright.lab.bench.clock import peak_mib, told
from maskwright.lab.bench.turns import Result, Side, measure_side
from maskwright.progress import Progress, silent
from maskwright.text.samples import sample

MEGABYTES = (8, 32, 128)
GIGABYTE = 1000
SENTENCES = 40  # of a document
SYLLABLES = [start + vowel for start in "b c d f g h k l m n p r s t v w".split() for vowel in "aeiou"]


def compare(megabytes: Sequence[int], *, progress: Progress = silent) -> list[Result]:
    """A row for each size with a tokenizer given, and one in which the vocabulary is trained too."""
    rows: list[Result] = []
    with (
        tempfile.TemporaryDirectory(prefix="maskwright-bench-") as folder,
        progress.stage("corpus", len(megabytes) + 1, "builds") as bar,
    ):
        text, made = Path(folder) / "text.jsonl", Path(folder) / "corpus"
        tokenizer: str | None = None
        for place, size in enumerate([megabytes[0], *megabytes]):
            written = write_text(text, size * 1_000_000)
            out = str(made) + str(place)
            given = {"text": str(text), "out": out, "tokenizer": tokenizer}
            side = Side(f"{size} MB", "corpus", given)
            limit = measure_side(Side("limit", "reading", {"text": str(text)}), 1)["megabytes_per_second"]
            found = {**measure_side(side, 1), "limit_megabytes_per_second": limit}
            rows.append({"megabytes": written / 1e6, "vocabulary": tokenizer is None, **found})
            tokenizer = tokenizer or f"{out}/tokenizer"
            bar.advance(1, note=f"{size} MB, {rows[-1]['megabytes_per_second']:.2f} MB/s")
    return rows


def write_text(path: Path, size: int) -> int:
    """jsonl of at least `size` bytes at `path`; how many bytes it has."""
    sentences = [sentence for chapter in sample("en") for sentence in chapter.sentences]
    escaped = [json.dumps(sentence, ensure_ascii=False)[1:-1] for sentence in sentences]
    counts = np.array([sentence.count(" ") + 1 for sentence in sentences])
    written = document = words = 0
    with path.open("wb") as file:
        while written < size:
            rng = generator(0, "bench text", document)
            drawn = rng.integers(0, len(escaped), SENTENCES)
            before, words = words, words + int(counts[drawn].sum())
            made_up = iter(_made_up(rng, before, words))
            text = " ".join(f"{next(made_up, '').capitalize()} {escaped[i]}".lstrip() for i in drawn.tolist())
            written += file.write(f'{{"text": "{" ".join([text, *made_up])}"}}\n'.encode())
            document += 1
    return written


def different_words(words: float) -> int:
    """How many different words are made up for a text of so many.

    Heaps' law with the exponent that large collections of English have, near 0.5 (Manning, Raghavan and Schuetze
    2008, section 5.1.1: 44 x 10^0.49 for Reuters); the sample's own words come on top.

    >>> different_words(10**6), different_words(10**8)
    (38322, 365976)
    """
    return round(44 * words**0.49)


def _made_up(rng: np.random.Generator, before: int, after: int) -> list[str]:
    """The made-up words between word `before` of the text and word `after`: the new ones, and as many known ones."""
    first, end = different_words(before), different_words(after)
    known = np.floor((first + 1) ** rng.random(SENTENCES) - 1).astype(int).tolist() if first else []
    return [spelled(number) for number in [*range(first, end), *known]]


def spelled(number: int) -> str:
    """A word for each number, as one might be spelled: syllables for its digits.

    >>> [spelled(number) for number in (0, 1, 79, 80, 365_976)]
    ['ba', 'be', 'wu', 'babe', 'reduri']
    """
    syllables: list[str] = []
    while number or not syllables:
        number, digit = divmod(number, len(SYLLABLES))
        syllables.append(SYLLABLES[digit])
    return "".join(syllables)


def measure(*, text: str, out: str, tokenizer: str | None) -> dict[str, Any]:
    """Megabytes of text a second, in one process; its peak of memory."""
    from maskwright.corpus.build import build_corpus

    size = Path(text).stat().st_size / 1e6
    begin, busy = time.perf_counter(), time.process_time()
    corpus = build_corpus([text], out, shape="jsonl", tokenizer=tokenizer, workers=1)
    taken, worked = time.perf_counter() - begin, time.process_time() - busy
    return {
        "megabytes_per_second": size / taken,
        "megabytes_per_cpu_second": size / worked,
        "seconds": taken,
        "tokens": sum(split.tokens for split in corpus.manifest.splits.values()),  # shards opened would count as memory
        "peak_mib": peak_mib(),
    }


if __name__ == "__main__":
    told(measure)
