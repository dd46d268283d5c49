"""A small corpus from the sample texts, and the command line that trains on it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from maskwright.corpus.build import build_corpus
from maskwright.text.samples import sample

SMALL = (
    "--training.steps 60 --training.save_every 7 --training.log_every 1 --training.evaluate_every 10 "
    "--training.batch_sequences 8 --training.held_out_sequences 16 --layout.max_length 48 --start.epochs 1 "
    "--model.hidden_size 32 --model.num_attention_heads 2 --model.intermediate_size 64"
).split()


def write_text(path: Path, documents: int, sentences: int) -> Path:
    """Chapters of Austen in BERT's own format: one sentence a line, a blank line between documents."""
    chapters = sample("en")[50 : 50 + documents]
    text = "\n\n".join("\n".join(chapter.sentences[:sentences]) for chapter in chapters)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def make_corpus(folder: Path, documents: int = 24, sentences: int = 40, vocab_size: int = 600) -> Path:
    text = write_text(folder / "text.txt", documents, sentences)
    return build_corpus([text], folder / "corpus", vocab_size=vocab_size, held_out=0.2).path


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "maskwright", *map(str, arguments)]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", **more}


def maskwright(*arguments: str | Path, prefix: Sequence[str] = (), **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command line in a process of its own."""
    return subprocess.run(
        [*prefix, *command(*arguments)], capture_output=True, text=True, env=environment(**more), timeout=600
    )
