"""The family's choices beside each other at an equal budget of tokens, on the real corpora.

    python scripts/bake_off.py                                    # all of it: a night on two cores
    python scripts/bake_off.py --groups units rates --languages en
    python scripts/bake_off.py --report                           # tables of what is there, without training

Needs the corpora that `make corpora` makes. Each run is a folder, and is not made again when it is there; one that was
stopped goes on. All runs of a language begin with the same word2vec embeddings and differ from `quick` at 15 % masks in
what their row says. Afterwards each is asked the same:

    held out   loss and accuracy of masked tokens (15 %, 80/10/10) on the same held-out sequences, DOC-SENTENCES of 128
    words      the same where whole words are hidden
    probe      logistic regression on mean token vectors: BBC topics, or sentiment of Chinese reviews; learned from a
               fifth of the texts and judged by the rest, five times over
"""

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

import maskwright as mw
from maskwright.config import checked, override, plain
from maskwright.corpus.read import Corpus
from maskwright.draws import words
from maskwright.durable import staged_file, write_file
from maskwright.inference.encoder import Encoder
from maskwright.models.albert import SIZES as ALBERT
from maskwright.models.albert import AlbertConfig
from maskwright.objectives.masked_lm import MasksConfig, mask_sequences
from maskwright.objectives.packed_sentences import PackedSentences
from maskwright.objectives.stream import Stream
from maskwright.progress import Progress, rich_progress
from maskwright.recipes import quick, train
from maskwright.training.masked_recipe import Recipe, data
from maskwright.training.run import keep_memory
from maskwright.training.start import skip_gram
from sources.labelled import labelled

SINGLE = {"layout.kind": "doc_sentences", "layout.task": "none"}
SPAN = {"masks.unit": "span", "masks.fate": "unit", "masks.rounding": "up", "masks.count_specials": False}
GROUPS: dict[str, dict[str, dict[str, Any]]] = {
    "units": {
        "token": SINGLE,
        "word": {**SINGLE, "masks.unit": "word"},
        "n-gram": {**SINGLE, "masks.unit": "ngram"},
        "span": {**SINGLE, **SPAN},
        "span and boundary": {**SINGLE, **SPAN, "masks.boundary": True},
    },
    "layouts": {
        "segment pairs, next sentence": {},
        "segment pairs, order": {"layout.task": "sentence_order"},
        "segment pairs, nothing asked": {"layout.task": "none"},
        "sentence pairs, next sentence": {"layout.kind": "sentence_pairs"},
        "full sentences": {"layout.kind": "full_sentences", "layout.task": "none"},
        "doc sentences": SINGLE,
    },
    "masks": {
        "dynamic": SINGLE,
        "static, 10 versions": {**SINGLE, "masks.dupe_factor": 10},
        "static, 1 version": {**SINGLE, "masks.dupe_factor": 1},
    },
    "rates": {
        "15 %": SINGLE,
        "25 %": {**SINGLE, "masks.rate": 0.25},
        "40 %": {**SINGLE, "masks.rate": 0.40},
        "40 % to 15 %": {**SINGLE, "masks.rate": 0.40, "masks.final_rate": 0.15},
    },
    "sharing": {
        shared: {**SINGLE, "model.model_type": "albert", "model.shared": shared}
        for shared in ("all", "attention", "feed_forward", "none")
    },
    "batch": {f"{size} sequences": {**SINGLE, "training.batch_sequences": size} for size in (32, 256, 2048)},
}
JUDGED = 1_024  # held-out sequences
LENGTH = 128
T = {2: 12.71, 3: 4.303, 4: 3.182, 5: 2.776}
"""Student's t for 95 % of the mean of so many runs."""


class Terms(NamedTuple):
    """What all runs of one call have in common."""

    corpora: Path
    out: Path
    tokens: float
    size: str
    seeds: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is not there yet, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, default=Path("corpora"))
    parser.add_argument("--out", type=Path, default=Path("runs/bake-off"))
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--languages", nargs="+", choices=["en", "zh"], default=["en", "zh"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tokens", type=float, default=3e6, help="of each run, special ones included")
    parser.add_argument("--size", default="tiny")
    parser.add_argument("--report", action="store_true", help="only the tables")
    given = parser.parse_args(arguments)
    terms = Terms(given.corpora, given.out, given.tokens, given.size, given.seeds)
    keep_memory()
    progress = rich_progress()
    if not given.report:
        # Seeds outermost: whatever is stopped early has all rows, with fewer runs.
        for seed in range(terms.seeds):
            for language in given.languages:
                for group in given.groups:
                    for name, changes in GROUPS[group].items():
                        run(terms, language, group, name, changes, seed, progress)
    results = list(found(terms.out))
    write_file(terms.out / "results.json", json.dumps(results, indent=1, ensure_ascii=False).encode())
    write_file(terms.out / "results.md", "\n\n".join(tables(results)).encode())
    progress.say(f"{len(results)} runs: {terms.out / 'results.md'}")


def run(
    terms: Terms, language: str, group: str, name: str, changes: dict[str, Any], seed: int, progress: Progress
) -> None:
    """One run and its answers, in a folder named by its place; nothing if they are there."""
    folder = terms.out / language / group / name.replace(" %", "").replace(", ", "-").replace(" ", "-") / str(seed)
    answers = folder / "answers.json"
    if answers.is_file():
        return
    corpus = Corpus.open(terms.corpora / language)
    recipe = recipe_of(terms, corpus, language, changes, seed, progress)
    if train(recipe, corpus, folder / "run", allocator="kept", progress=progress):
        raise SystemExit(130)
    encoder = mw.load(folder / "run" / "model")
    metrics = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    told = {
        "language": language, "group": group, "name": name, "seed": seed, "steps": recipe.training.steps,
        "tokens": metrics[-1]["tokens"], "seconds": metrics[-1]["timing"]["seconds"],
        "parameters": sum(p.numel() for p in encoder.model.parameters()),
        **held_out(encoder, corpus), "probe": probe(encoder, language, terms.corpora / "packages"),
    }  # fmt: skip
    write_file(answers, json.dumps(told, ensure_ascii=False).encode())


def recipe_of(
    terms: Terms, corpus: Corpus, language: str, changes: dict[str, Any], seed: int, progress: Progress
) -> Recipe:
    """`quick` with the row's changes, as many steps as the budget of tokens allows."""
    tokenizer = corpus.tokenizer
    start = plain(quick.recipe(terms.size, str(corpus.path), tokenizer.vocab_size))
    if changes.get("model.model_type") == "albert":
        shape = {**ALBERT["tiny"], "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        start["model"] = plain(AlbertConfig(vocab_size=tokenizer.vocab_size, **shape))
    common = {
        "model.pad_token_id": tokenizer.pad_id, "masks.rate": 0.15, "training.seed": seed,
        "start.tokens": str(embeddings(terms, corpus, language, start["model"], progress)),
        "layout.max_length": LENGTH, "training.evaluate_every": 10**6, "training.held_out_sequences": 32,
    }  # fmt: skip
    first = checked(Recipe, override(start, {**common, **changes}), "bake-off")
    batches = [data(first, corpus).batches(step) for step in range(3)]
    a_step = sum(batch.num_tokens for step in batches for batch in step) / len(batches)
    steps = max(1, round(terms.tokens / a_step))
    # Fewer and larger steps want a higher rate, by the root of their size, up to what still converges.
    scale = min(3.0, math.sqrt(first.training.batch_sequences / 32))
    rates = {f"optimizer.{name}": getattr(first.optimizer, name) * scale for name in ("rate", "matrix_rate")}
    done = {"training.steps": steps, "training.save_every": max(1, steps), "training.log_every": max(1, steps // 20)}
    return checked(Recipe, override(plain(first), {**rates, **done}), "bake-off")


def embeddings(terms: Terms, corpus: Corpus, language: str, model: dict[str, Any], progress: Progress) -> Path:
    """word2vec vectors of the training documents, made once for all runs of a language."""
    width = model.get("embedding_size", model["hidden_size"])
    path = terms.out / language / f"word2vec-{width}.txt"
    if not path.is_file():
        ids, vectors = skip_gram(corpus.train, width, 5, 1, 0, progress)
        names = [corpus.tokenizer.id_to_token(int(i)) for i in ids]
        path.parent.mkdir(parents=True, exist_ok=True)
        with staged_file(path) as file:
            file.write(f"{len(ids)} {width}\n".encode())
            for name, vector in zip(names, vectors, strict=True):
                file.write(f"{name} {' '.join(f'{x:.6g}' for x in vector)}\n".encode())
    return path


@torch.inference_mode()
def held_out(encoder: Encoder, corpus: Corpus) -> dict[str, Any]:
    """Mean loss in nats and accuracy on the same sequences for all, tokens hidden, then whole words."""
    tokenizer, model = corpus.tokenizer, encoder.model
    assert tokenizer.cls_id is not None and tokenizer.sep_id is not None and tokenizer.mask_id is not None
    layout = PackedSentences(
        cls_id=tokenizer.cls_id, sep_id=tokenizer.sep_id, max_length=LENGTH, across_documents=False
    )
    stream = Stream(corpus.held_out, layout, seed=0, dupe_factor=1)
    answers: dict[str, Any] = {}
    head: Any = model.heads["mlm"]
    for what, unit in (("held_out", "token"), ("held_out_words", "word")):
        masks = MasksConfig(unit=unit)  # type: ignore[arg-type]
        sums = np.zeros(3)
        for place in range(min(JUDGED, stream.epoch_sequences(0)) // 32):
            batch = mask_sequences(
                stream.sequences(place, 32), words(32, 0, what, place), mask_id=tokenizer.mask_id,
                random_ids=tokenizer.vocab_size, units=masks.units(),
            )  # fmt: skip
            tally = head.tally(model.encoder(batch, None, batch.predict_rows), batch, model.encoder)
            sums += [float(tally.loss_sum), float(tally.correct), tally.count]
        answers[what] = {"loss": sums[0] / sums[2], "accuracy": sums[1] / sums[2], "predictions": int(sums[2])}
    return answers


def probe(encoder: Encoder, language: str, packages: Path) -> dict[str, Any]:
    """Accuracy of logistic regression on the mean vectors of labelled texts, learned from a fifth of them."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.preprocessing import StandardScaler

    given = labelled(language, packages)
    keep = np.random.default_rng(0).permutation(len(given.texts))[:4_000]
    texts, labels = [given.texts[i][:2_000] for i in keep], np.array([given.labels[i] for i in keep])
    vectors = encoder.encode(texts, truncate=True)
    right: list[float] = []
    for judged, learned in StratifiedKFold(5, shuffle=True, random_state=0).split(vectors, labels):
        scale = StandardScaler().fit(vectors[learned])
        model = LogisticRegression(C=0.1, max_iter=2_000).fit(scale.transform(vectors[learned]), labels[learned])
        right.append(float(model.score(scale.transform(vectors[judged]), labels[judged])))
    return {"task": given.name, "accuracy": float(np.mean(right)), "texts": len(texts)}


def found(out: Path) -> Iterator[dict[str, Any]]:
    """The answers that are there."""
    for file in sorted(out.glob("*/*/*/*/answers.json")):
        yield json.loads(file.read_text(encoding="utf-8"))


def tables(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A table for each group and language: means over seeds, and half the width of their 95 % interval."""
    for language in dict.fromkeys(result["language"] for result in results):
        for group, rows in GROUPS.items():
            lines = [
                f"### {group}, {language}", "",
                "| | runs | tokens | held-out loss | accuracy | whole words, loss | probe |",
                "| --- | --- | --- | --- | --- | --- | --- |",
            ]  # fmt: skip
            for name in rows:
                mine = [r for r in results if (r["language"], r["group"], r["name"]) == (language, group, name)]
                if not mine:
                    continue
                cells = [
                    _interval([r["held_out"]["loss"] for r in mine], "{:.3f}"),
                    _interval([100 * r["held_out"]["accuracy"] for r in mine], "{:.2f} %"),
                    _interval([r["held_out_words"]["loss"] for r in mine], "{:.3f}"),
                    _interval([100 * r["probe"]["accuracy"] for r in mine], "{:.2f} %"),
                ]
                tokens = sum(r["tokens"] for r in mine) / len(mine)
                lines.append(f"| {name} | {len(mine)} | {tokens / 1e6:.2f} M | {' | '.join(cells)} |")
            if len(lines) > 4:
                yield "\n".join(lines)


def _interval(values: Sequence[float], form: str) -> str:
    """The mean and half the width of its 95 % interval.

    >>> _interval([1.0, 2.0, 3.0], "{:.2f}"), _interval([1.0], "{:.2f}")
    ('2.00 ± 2.48', '1.00')
    """
    mean = form.format(sum(values) / len(values))
    if len(values) < 2:
        return mean
    spread = np.std(values, ddof=1) / math.sqrt(len(values)) * T.get(len(values), 2.0)
    return f"{mean} ± {form.format(spread).removesuffix(' %')}"


if __name__ == "__main__":
    main()
