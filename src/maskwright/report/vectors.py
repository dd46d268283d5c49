"""The report of a run without curves: what was learned, in figures and a few neighbours."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from maskwright.corpus.read import Corpus
from maskwright.report.page import Page
from maskwright.training.run_folder import RECIPE

Figures = Sequence[tuple[str, str, str]]


def write_vectors_report(
    folder: Path,
    corpus: Corpus,
    what: str,
    figures: Figures,
    *,
    lists: Mapping[str, Sequence[str]],
    heading: str,
    lead: str,
) -> Path:
    """`report.html` of the run in `folder`.

    what      what it is, in half a sentence
    figures   big numbers, as `Page.figures` takes them
    lists     a token -> others that belong to it, in order
    heading, lead   what these are
    """
    page = Page(folder.name, what).figures(figures)
    if lists:
        page.heading(heading, lead).table(
            ["token", ""], [[token, ", ".join(others)] for token, others in lists.items()]
        )
    dropped = {reason: lost.count for reason, lost in corpus.manifest.dropped.items()}
    if dropped:
        page.heading("What was dropped").table(["", "count"], [[name, count] for name, count in dropped.items()])
    page.source((folder / RECIPE).read_text(encoding="utf-8"), "Recipe").write(folder / "report.html")
    return folder / "report.html"
