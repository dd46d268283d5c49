"""A small corpus, and models without context that were learned from it by the command line."""

from pathlib import Path

from maskwright.cli import main
from maskwright.corpus.build import build_corpus
from maskwright.text.samples import sample


def small_corpus(folder: Path, language: str = "en", **options: object) -> Path:
    chapters = sample(language)[50:62]
    text = "\n\n".join("\n".join(chapter.sentences[:80]) for chapter in chapters)
    (folder / f"{language}.txt").write_text(text, encoding="utf-8")
    given = {"language": language, "vocab_size": 900, "held_out": 0.1, **options}
    return build_corpus([folder / f"{language}.txt"], folder / f"corpus-{language}", **given).path  # type: ignore[arg-type]


def pretrained(recipe: str, corpus: Path, out: Path, *more: str) -> Path:
    assert main(["pretrain", recipe, "--corpus", str(corpus), "--out", str(out), *more]) == 0
    return out / "model"
