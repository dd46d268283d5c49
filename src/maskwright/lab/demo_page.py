"""The page of the demo: what came out, in the order in which somebody would ask for it."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from maskwright.lab.neighbours import Company, Seen
from maskwright.lab.origin import PASSAGE, Verdict
from maskwright.recipes import bert
from maskwright.report.figures import Bar, Marked, bar_chart, blank, heat_map, neighbours
from maskwright.report.markup import number
from maskwright.report.page import Page
from maskwright.report.runs import Baselines, comparison, curves, example_figure
from maskwright.training.masked_recipe import Recipe
from maskwright.training.metrics import read_metrics
from maskwright.training.run_folder import ENVIRONMENT, RECIPE

if TYPE_CHECKING:
    from maskwright.lab.demo import Results

BOOKS = {"en": "Jane Austen's six novels", "zh": "三国演义"}
QUESTION = {"en": "which of the six novels", "zh": "which sixth of the book"}
UNITS = {"en": "word", "zh": "character"}
NAMES = {"quick": "quick", "bert": "plain BERT"}
KINDS = {"pretrained": "pretrained encoder", "random": "the same encoder, random weights"}
SHOWN_BLANKS = 8


def demo_page(results: "Results", figures: Mapping[str, Any], recipe: Recipe) -> Page:
    """The whole page; `figures` as in result.json, `recipe` the one of the encoder."""
    main = results.folders["quick"]
    environment = json.loads((main / ENVIRONMENT).read_text(encoding="utf-8"))
    page = Page(
        f"A BERT of your own, from {BOOKS[results.language]}",
        f"{recipe.model.num_hidden_layers} layers of width {recipe.model.hidden_size}, pretrained by the recipe quick "
        f"on {number(results.corpus.train.num_tokens)} tokens of text with a vocabulary of "
        f"{results.corpus.tokenizer.vocab_size:,}, in {environment.get('threads')} thread"
        f"{'' if environment.get('threads') == 1 else 's'} of {environment.get('cpu')}. All figures are of chapters "
        "it has never seen.",
    )
    page.figures(headline(figures))
    _learning(page, results, figures)
    _blanks(page, results, figures["blanks"])
    _company(page, results.company)
    _origin(page, results, figures["probe"])
    _making(page, results, recipe)
    page.heading("Made with").facts(environment, "Environment")
    for name, folder in results.folders.items():
        page.source((folder / RECIPE).read_text(encoding="utf-8"), f"Recipe {name}")
    return page


def headline(figures: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The big numbers."""
    end, guess, probe = figures["runs"]["quick"], figures["baselines"], figures["probe"]
    plain = figures["runs"]["bert"]
    placed, random, bag = (probe["accuracy"][name]["mean"] for name in ("pretrained", "random", "bag of words"))

    def share(value: float) -> str:
        return number(value, percent=True)

    return [
        (
            number(end["mlm_loss"]),
            "masked words, held-out loss",
            f"plain BERT: {number(plain['mlm_loss'])}; unigrams: {number(guess['unigram_loss'])}",
        ),
        (
            share(end["mlm_accuracy"]),
            "masked words, held-out accuracy",
            f"plain BERT: {share(plain['mlm_accuracy'])}; unigrams: {share(guess['unigram_accuracy'])}",
        ),
        (
            share(end["nsp_accuracy"]),
            "next sentence, held-out accuracy",
            f"plain BERT: {share(plain['nsp_accuracy'])}; one answer always: {share(guess['nsp_majority'])}",
        ),
        (
            share(placed),
            "of passages placed in the right part",
            f"random weights: {share(random)}; bag of words: {share(bag)}",
        ),
        (
            f"{number(end['seconds'])} s",
            "of training",
            f"{number(end['tokens'])} tokens, {number(end['tokens'] / max(end['seconds'], 1e-9))} a second",
        ),
    ]


def _learning(page: Page, results: "Results", figures: Mapping[str, Any]) -> None:
    logged = {NAMES[name]: read_metrics(folder) for name, folder in results.folders.items()}
    guess = figures["baselines"]
    baselines: Baselines = {
        "mlm loss": {"unigrams": guess["unigram_loss"]},
        "mlm accuracy": {"unigrams": guess["unigram_accuracy"]},
        "nsp accuracy": {"one answer always": guess["nsp_majority"]},
    }
    page.heading(
        "How it learned",
        "The recipe quick beside the plain one on the same batches of text: random start, AdamW at 1.5e-3, 15 % masks, "
        "dropout 0.1. Training losses are not comparable, as quick hides twice as many words; held-out ones are, "
        "both at 15 %. Point at a curve to read it off.",
    )
    page.add(*curves(logged, baselines)[:4])
    header, rows, shares = comparison(logged)
    page.table(header, rows, main=0, percent=shares)


def _blanks(page: Page, results: "Results", figures: Mapping[str, Any]) -> None:
    blanks, unit = results.blanks, UNITS[results.language]
    first, five = (number(figures[name], percent=True) for name in ("first_guess_right", "among_five"))
    passed_over = f"with the {figures['passed_over']} most frequent tokens passed over"
    page.heading(
        "Fill in the blank",
        f"One {unit} of a held-out sentence is hidden; the rest is all the model sees. Of {figures['asked']} {unit}s, "
        f"drawn by chance {passed_over}, {first} are its first guess and {five} among its first five. "
        f"These are the first {min(SHOWN_BLANKS, len(blanks))} drawn.",
    )
    page.add(*(blank(one.before, one.after, one.guesses, one.truth) for one in blanks[:SHOWN_BLANKS]))


def _company(page: Page, company: list[Company]) -> None:
    page.heading(
        "The company words keep",
        "A word in a held-out sentence, and the nearest other words in other held-out sentences, by the cosine "
        "of their vectors in context, centred. The words are drawn by chance from a band of frequency.",
    )
    page.add(
        *(neighbours(_around(one.seen), [(_around(seen, 36), cosine) for cosine, seen in one.found]) for one in company)
    )


def _around(seen: Seen, reach: int = 60) -> Marked:
    """The word with what stands about it."""
    start, end = max(0, seen.start - reach), min(len(seen.sentence), seen.end + reach)
    before, after = seen.sentence[start : seen.start], seen.sentence[seen.end : end]
    if start and " " in before:
        before = before.partition(" ")[2]
    if end < len(seen.sentence) and " " in after:
        after = after.rpartition(" ")[0]
    word = seen.sentence[seen.start : seen.end]
    return Marked(f"{'… ' if start else ''}{before}", word, f"{after}{' …' if end < len(seen.sentence) else ''}")


def _origin(page: Page, results: "Results", figures: Mapping[str, Any]) -> None:
    verdict: Verdict = results.verdict
    gain = figures["pretrained_over_random"]
    points, low, high = (f"{100 * gain[name]:+.1f}" for name in ("mean", "low", "high"))
    page.heading(
        f"A task: {QUESTION[results.language]} is this passage from?",
        "The encoder stays as it is. One attention over the vectors of a passage's tokens (all layers, up to "
        f"{PASSAGE} tokens) and a linear map learn to answer from {figures['training_passages']:,} passages of "
        f"training chapters, and are judged by {figures['test_passages']:,} of {verdict.test_chapters} held-out ones. "
        f"Pretraining is worth {points} points over random weights (95 %, chapters redrawn: {low} to {high}). "
        "A bag of words knows every name in the book: it is the measure of what names alone tell.",
    )
    bars = [
        Bar(
            KINDS.get(name, f"{name}, tf-idf"),
            probe.accuracy.mean,
            (probe.accuracy.high - probe.accuracy.low) / 2,
            main=name == "pretrained",
        )
        for name, probe in verdict.probes.items()
    ]
    page.add(
        bar_chart(
            bars, "Passages placed right", unit="95 % intervals over chapters", percent=True, chance=verdict.chance
        ),
        heat_map(
            verdict.confused.tolist(),
            verdict.parts,
            [_initials(part) for part in verdict.parts],
            "Passages by the pretrained encoder's answer",
            percent=False,
        ),
    )
    page.table(
        ["vectors", "accuracy", "from", "to"],
        [
            [KINDS.get(name, f"{name}, tf-idf"), p.accuracy.mean, p.accuracy.low, p.accuracy.high]
            for name, p in verdict.probes.items()
        ],
        main=0,
        percent=[1, 2, 3],
    )


def _initials(title: str) -> str:
    """A title for a narrow column.

    >>> [_initials(title) for title in ("Pride and Prejudice", "Emma", "第1–20回")]
    ['P&P', 'Emma', '第1–20回']
    """
    words = title.split()
    return "".join("&" if word == "and" else word[0] for word in words) if len(words) > 1 else title


def _making(page: Page, results: "Results", recipe: Recipe) -> None:
    corpus = results.corpus
    page.heading("What it saw", "One training example of the first step; above each hidden token stands what it was.")
    page.add(example_figure(next(bert.data(recipe, corpus).examples(0))))
    page.heading("What went in, and what was dropped").table(
        ["", "chapters", "sentences", "tokens", "unknown tokens"],
        [
            [split, counts.documents, counts.sentences, counts.tokens, counts.unknown]
            for split, counts in corpus.manifest.splits.items()
        ],
    )
    lost = [[reason, dropped.count] for reason, dropped in corpus.manifest.dropped.items()]
    lost.append([f"sentences too long for a passage of {PASSAGE} tokens (probe only)", results.verdict.left_out])
    page.table(["dropped", "count"], lost)
    page.table(["stage", "seconds, this time"], [[name, seconds] for name, seconds in results.seconds.items()])
