"""The page of `maskwright senses`: for each model a picture of one word's vectors, and what its clusters hold."""

from collections.abc import Mapping, Sequence

from maskwright.lab.sense_score import Score
from maskwright.lab.senses import Cloud, Place
from maskwright.report.figures import Marked
from maskwright.report.markup import number
from maskwright.report.page import Page
from maskwright.report.scatter import groups_list, scatter

AROUND = 90  # characters shown to each side of the word
SHOWN = 4  # sentences of a cluster
LEAD = (
    "Each dot is the word in one sentence, which stands where the pointer rests. Colours are clusters; below are the "
    "sentences nearest to the middle of each."
)
NOTE = (
    "Spread is the mean cosine distance of two uses of the word. Models differ in how near all their vectors are, so "
    "it compares words of one model better than models. The silhouette, from -1 to 1, says how well the clusters part: "
    "any cloud can be cut into clusters, and below about 0.1 they are no groups. What they hold may be topics, or "
    "kinds of sentences, rather than senses."
)


def sense_page(
    word: str, places: Sequence[Place], clouds: Mapping[str, Cloud], scores: Mapping[str, Score], source: str
) -> Page:
    """The page.

    clouds   of each model; may be empty, as may be
    scores   on labelled examples
    source   where the sentences are from
    """
    about = f"{len(places):,} sentences from {source}" if clouds else source
    page = Page(f"The senses of {word}" if clouds else "Senses", about)
    if clouds:
        page.table(*cloud_table(clouds)).text(NOTE, small=True)
    for name, cloud in clouds.items():
        page.heading(name, LEAD)
        texts = [_clipped(places[row]) for row in cloud.rows.tolist()]
        note = f"two components, {number(cloud.kept, percent=True)} of the variance" if cloud.distinct > 1 else ""
        title = "one point" if cloud.distinct == 1 else f"{cloud.distinct:,} points"
        page.add(scatter(cloud.points, cloud.labels.tolist(), ["".join(one) for one in texts], title, note))
        page.add(groups_list([_group(place, of_cluster, texts) for place, of_cluster in enumerate(cloud.central)]))
    if scores:
        page.heading(
            "Labelled examples",
            "The chance that two uses in one sense are nearer than two in different ones; 50 % is guessing. "
            "95 % intervals over words.",
        ).table(*score_table(scores))
    return page


def cloud_table(clouds: Mapping[str, Cloud]) -> tuple[list[str], list[list[str | float | int | None]]]:
    """Header and rows, a model each."""
    header = ["model", "sentences", "different vectors", "spread", "clusters", "silhouette"]
    rows: list[list[str | float | int | None]] = [
        [name, len(one.rows), one.distinct, one.spread, len(one.central), one.silhouette]
        for name, one in clouds.items()
    ]
    return header, rows


def score_table(scores: Mapping[str, Score]) -> tuple[list[str], list[list[str | float | int | None]]]:
    """Header and rows, a model each."""
    header = ["model", "in order", "interval", "over the first", "words", "pairs of one sense", "of two"]
    rows: list[list[str | float | int | None]] = [
        [
            name,
            f"{one.auc.mean:.1%}",
            f"{one.auc.low:.1%} – {one.auc.high:.1%}",
            "" if one.gain is None else f"{one.gain.mean:+.1%} ({one.gain.low:+.1%} – {one.gain.high:+.1%})",
            one.words,
            one.same,
            one.different,
        ]
        for name, one in scores.items()
    ]  # fmt: skip
    return header, rows


def _group(place: int, rows: Sequence[int], texts: Sequence[Marked]) -> tuple[str, int, list[Marked]]:
    sentences = "1 sentence" if len(rows) == 1 else f"{len(rows):,} sentences"
    return f"Cluster {place + 1}: {sentences}", place, [texts[row] for row in rows[:SHOWN]]


def _clipped(place: Place) -> Marked:
    """The word with what is around it."""
    sentence, start, end = place
    before, after = sentence[max(0, start - AROUND) : start], sentence[end : end + AROUND]
    return Marked(
        f"{'… ' if start > AROUND else ''}{before}",
        sentence[start:end],
        f"{after}{' …' if end + AROUND < len(sentence) else ''}",
    )
