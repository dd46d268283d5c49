"""The demo: from a sample text to a pretrained encoder and a page about it, in minutes.

OUT/demo.json      what was asked for; a folder with it is a demo's, and the same call goes on with it
OUT/corpus/        the sample text, tokenised; a tenth of its chapters held out
OUT/quick/         the run of recipe `quick`
OUT/bert/          the run of the plain recipe, for as many tokens
OUT/result.json    every figure of the page
OUT/report.html    the page
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from signal import Signals
from typing import Any, Literal, NamedTuple

from maskwright import durable
from maskwright.config import checked, override, plain
from maskwright.corpus.build import build_corpus
from maskwright.corpus.read import Corpus
from maskwright.corpus.sources import SampleText
from maskwright.errors import BadInput
from maskwright.inference.encoder import Encoder
from maskwright.inference.encoder_loading import load
from maskwright.lab.blanks import Blank, draw_blanks, fill_blanks
from maskwright.lab.neighbours import Company, find_company
from maskwright.lab.origin import Verdict, judge
from maskwright.lab.passages import Chapter
from maskwright.objectives.unigrams import Unigrams, unigrams
from maskwright.progress import Progress, silent
from maskwright.recipes import bert, quick, train
from maskwright.text.samples import sample
from maskwright.text.words import find_segmenter
from maskwright.training.masked_recipe import Recipe
from maskwright.training.metrics import last_metrics
from maskwright.training.pretraining import network

Language = Literal["en", "zh"]

ASKED = "demo.json"
RESULT = "result.json"
REPORT = "report.html"
VOCABULARY = 8_000
HELD_OUT = 0.1
BLANKS, FREQUENT = 500, 100
SPLIT_SEEDS = {"en": 295, "zh": 355}
"""With these every part of the book has about a tenth of its text held out: of the seeds 0 to 399 those with
which the share differs least from part to part. Nothing else was looked at."""
MASKING: dict[str, Any] = {"training.evaluate_every": 100, "training.save_every": 250, "training.keep": 1}
PLAIN: dict[str, Any] = {
    "optimizer.name": "adamw",
    "optimizer.rate": 1.5e-3,
    "training.schedule": "linear",
    "second_phase.share": 0,
}
"""What differs in the plain run from the paper's numbers, which are for a million steps: AdamW, and a rate
that suits a small network."""


class Results(NamedTuple):
    """What the demo found out."""

    language: Language
    corpus: Corpus
    folders: Mapping[str, Path]
    guess: Unigrams
    """Of the frequencies alone."""
    pairs_guess: float
    """Share of the held-out pairs that have the more frequent label."""
    blanks: list[Blank]
    company: list[Company]
    verdict: Verdict
    seconds: dict[str, float]
    """Each stage's, in this call."""


def run_demo(
    language: Language,
    out: Path,
    *,
    changes: Mapping[str, Any] | None = None,
    allocator: str = "default",
    progress: Progress = silent,
) -> dict[str, Any] | Signals:
    """The whole demo in folder `out`; its figures, or the signal that asked to stop before the end.

    changes    of both recipes by dotted key, {"training.steps": 20}: for trying the demo itself

    Raises BadInput for a folder that holds something else, or the demo of another language.
    """
    from maskwright.lab.demo_page import demo_page

    both_recipes(str(out), VOCABULARY, changes or {})  # a wrong key is told before there is a folder
    claim(out, {"language": language, "changes": dict(changes or {})})
    watch = Watch()
    with watch.stage("corpus"):
        corpus = build_corpus(
            SampleText(language),
            out / "corpus",
            vocab_size=VOCABULARY,
            held_out=HELD_OUT,
            seed=SPLIT_SEEDS[language],
            progress=progress,
        )
    recipes = both_recipes(str(corpus.path), corpus.tokenizer.vocab_size, changes or {})
    folders = {name: out / name for name in recipes}
    for name, recipe in recipes.items():
        with watch.stage(name):
            if stopped := _train(recipe, corpus, folders[name], allocator, progress):
                return stopped
    with watch.stage("questions"):
        results = ask(language, corpus, folders, recipes, watch.seconds, progress)
    figures = told(results)
    demo_page(results, figures, recipes["quick"]).write(out / REPORT)
    durable.write_file(out / RESULT, (json.dumps(figures, indent=2, ensure_ascii=False) + "\n").encode())
    return figures


def claim(out: Path, asked: Mapping[str, Any]) -> None:
    """Make `out` this demo's folder, or find that it is."""
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file: choose another folder (--out)")
    if (out / ASKED).is_file():
        try:
            there = json.loads((out / ASKED).read_text(encoding="utf-8"))
        except ValueError as error:
            raise BadInput(f"{out / ASKED} is not readable ({error}): choose another folder (--out)") from None
        if there != asked:
            raise BadInput(f"{out} holds another demo ({there}, not {dict(asked)}): choose another folder (--out)")
    elif out.is_dir() and (others := sorted(p.name for p in out.iterdir() if ".partial-" not in p.name)):
        raise BadInput(f"{out} holds something else ({', '.join(others[:3])}): choose another folder (--out)")
    else:
        out.mkdir(parents=True, exist_ok=True)
        durable.write_file(out / ASKED, (json.dumps(asked, ensure_ascii=False) + "\n").encode())


def both_recipes(corpus: str, vocab_size: int, changes: Mapping[str, Any]) -> dict[str, Recipe]:
    """`quick`, and the plain recipe for the same batches and as many of them."""
    fast = quick.recipe("tiny", corpus, vocab_size)
    same = {
        f"training.{key}": getattr(fast.training, key)
        for key in ("steps", "batch_sequences", "micro_sequences", "warmup_share", "log_every")
    }
    asked = {
        "quick": (fast, {**MASKING, **changes}),
        "bert": (bert.recipe("tiny", corpus, vocab_size), {**same, **PLAIN, **MASKING, **changes}),
    }
    return {
        name: checked(Recipe, override(plain(recipe), changed), f"recipe {name}")
        for name, (recipe, changed) in asked.items()
    }


def _train(recipe: Recipe, corpus: Corpus, folder: Path, allocator: str, progress: Progress) -> Signals | None:
    progress.say(f"recipe {recipe.recipe}, size {recipe.size}, {recipe.training.steps:,} steps, in {folder}")
    return train(recipe, corpus, folder, allocator=allocator, progress=progress)


def ask(
    language: Language,
    corpus: Corpus,
    folders: Mapping[str, Path],
    recipes: Mapping[str, Recipe],
    seconds: dict[str, float],
    progress: Progress,
) -> Results:
    """Everything that is asked of the finished encoder."""
    encoder = load(folders["quick"] / "model")
    training, held_out = chapters_of(language, corpus)
    sentences = [(sentence, chapter.title) for chapter in held_out for sentence in chapter.sentences]
    hidden = draw_blanks(sentences, encoder, BLANKS, frequent=FREQUENT)
    with progress.stage("fill in the blank", len(hidden), "blanks") as stage:
        blanks = fill_blanks(hidden, encoder)
        stage.advance(len(blanks))
    segmenter = find_segmenter((corpus.manifest.words or "characters").split()[0]) if language == "zh" else None
    letters = 4 if language == "en" else 2
    company = find_company([text for text, _ in sentences], encoder, segmenter, letters=letters, progress=progress)
    untrained = network(encoder.config, [])
    untrained.initialise(encoder.config.initializer_range, seed=0)
    encoders = {"pretrained": encoder, "random": Encoder(untrained, encoder.tokenizer)}
    verdict = judge(training, held_out, encoders, spaced=language == "en", progress=progress)
    judged = bert.data(recipes["quick"], corpus).phases[0][1].held_out_streams  # the demo holds out several chapters
    share = float(judged[0].plan(0).pair_labels.mean())
    return Results(
        language=language,
        corpus=corpus,
        folders=folders,
        guess=unigrams(corpus.train, corpus.held_out, corpus.tokenizer.vocab_size),
        pairs_guess=max(share, 1 - share),
        blanks=blanks,
        company=company,
        verdict=verdict,
        seconds=seconds,
    )


def chapters_of(language: Language, corpus: Corpus) -> tuple[list[Chapter], list[Chapter]]:
    """(training, held-out) chapters, as the corpus has them."""
    aside = {corpus.held_out.document_name(i) for i in range(corpus.held_out.num_documents)}
    chapters = [Chapter(*document) for document in sample(language)]
    return [c for c in chapters if c.title not in aside], [c for c in chapters if c.title in aside]


def told(results: Results) -> dict[str, Any]:
    """The figures, as JSON has them."""
    ends = {name: last_metrics(folder) for name, folder in results.folders.items()}
    ranks = [blank.rank for blank in results.blanks]
    verdict = results.verdict
    return {
        "language": results.language,
        "report": str(next(iter(results.folders.values())).parent / REPORT),
        "model": str(results.folders["quick"] / "model"),
        "training_tokens_of_text": results.corpus.train.num_tokens,
        "held_out_tokens_of_text": results.corpus.held_out.num_tokens,
        "vocabulary": results.corpus.tokenizer.vocab_size,
        "runs": {
            name: {
                "steps": end["step"],
                "tokens": end["tokens"],
                "seconds": end["timing"]["seconds"],
                "mlm_loss": end["held_out"]["losses"]["mlm"],
                "mlm_accuracy": end["held_out"]["accuracy"]["mlm"],
                "nsp_loss": end["held_out"]["losses"]["nsp"],
                "nsp_accuracy": end["held_out"]["accuracy"]["nsp"],
            }
            for name, end in ends.items()
        },
        "baselines": {
            "unigram_loss": results.guess.loss,
            "unigram_accuracy": results.guess.accuracy,
            "nsp_majority": results.pairs_guess,
        },
        "blanks": {
            "asked": len(ranks),
            "passed_over": FREQUENT,
            "first_guess_right": sum(rank == 1 for rank in ranks) / max(1, len(ranks)),
            "among_five": sum(rank is not None for rank in ranks) / max(1, len(ranks)),
        },
        "probe": {
            "classes": verdict.parts,
            "training_passages": verdict.training_passages,
            "test_passages": len(verdict.truth),
            "chance": verdict.chance,
            "accuracy": {name: probe.accuracy._asdict() for name, probe in verdict.probes.items()},
            "pretrained_over_random": verdict.gain._asdict(),
        },
        "seconds": {name: round(seconds, 1) for name, seconds in results.seconds.items()},
    }


class Watch:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def stage(self, name: str) -> "_Timed":
        """Measure what happens inside the `with`."""
        return _Timed(self.seconds, name)


class _Timed:
    def __init__(self, seconds: dict[str, float], name: str) -> None:
        self._seconds, self._name = seconds, name

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._seconds[self._name] = time.perf_counter() - self._began
