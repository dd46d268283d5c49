"""`maskwright senses`: whether a model tells the senses of a word apart."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from maskwright.cli.results import AsJson, log, show
from maskwright.errors import BadInput

if TYPE_CHECKING:
    from maskwright.inference.loading import Loaded
    from maskwright.lab.sense_score import Examples, Score
    from maskwright.lab.senses import Cloud, Place
    from maskwright.progress import Progress


def senses(
    word: str | None = None,
    /,
    *,
    model: Annotated[tuple[Path, ...], Parameter(name="--model", negative=())],
    texts: Annotated[tuple[Path, ...], Parameter(name="--texts", negative=())] = (),
    corpus: Annotated[Path | None, Parameter(name="--corpus")] = None,
    examples: Annotated[Path | None, Parameter(name="--examples")] = None,
    out: Annotated[Path | None, Parameter(name="--out")] = None,
    layer: Annotated[int, Parameter(name="--layer")] = -1,
    most: Annotated[int, Parameter(name="--most")] = 300,
    segmenter: Annotated[str, Parameter(name="--segmenter")] = "auto",
    seed: Annotated[int, Parameter(name="--seed")] = 0,
    json: AsJson = False,
) -> None:
    """See whether models give the senses of a word different vectors.

    Takes the word's vector in many sentences from each model, clusters them and
    draws a page with a picture for each model. word2vec has one point.

    With labelled examples, also a score: the chance that two uses in one sense
    lie nearer than two in different ones. Without a word, the score alone.

    Args:
        word: The word, as it is written in the sentences.
        model: A model folder. May be given more than once.
        texts: A file of text, one sentence or paragraph a line. May be given more than once.
        corpus: A folder that `maskwright corpus` made; without it and --texts, the sample text is read.
        examples: Labelled examples: a JSONL file of rows with word, sentence and sense.
        out: The page to write: a .html file.
        layer: Whose vectors: 0 the embeddings, 1 to L the layers, -1 the last.
        most: The most sentences that are looked at, drawn at random.
        segmenter: Finds Chinese words: auto, rjieba, or characters: wherever the characters stand together.
        seed: Of the draw and the clusters.

    Examples:
        maskwright senses bank --model runs/bert/model --out bank.html
        maskwright senses bank --model models/a --model models/b --corpus corpora/en
        maskwright senses 意思 --model runs/zh/model --texts sentences.txt
        maskwright senses --examples senses.jsonl --model models/a --json
    """
    from maskwright.inference.loading import load
    from maskwright.progress import rich_progress

    _check(word, texts, corpus, examples, out, most)
    places, source = _places(word, texts, corpus, segmenter, most, seed) if word is not None else ([], str(examples))
    given = _read(examples) if examples is not None else None
    models = {name: load(path) for name, path in _names(model).items()}
    progress = rich_progress()
    clouds, scores = _look(models, places, given, layer, seed, progress)
    if out is not None:
        from maskwright.lab.sense_page import sense_page

        sense_page(word or "", places, clouds, scores, source).write(out)
    result = _result(word, places, source, clouds, scores, out)
    show(result, json=json, text=lambda: _for_people(clouds, scores, out))


def _check(
    word: str | None, texts: tuple[Path, ...], corpus: Path | None, examples: Path | None, out: Path | None, most: int
) -> None:
    if word is None and examples is None:
        raise BadInput("which word? give one, or --examples FILE.jsonl for the score alone")
    if word is not None and not word.strip():
        raise BadInput("the word is empty: give one as it is written in the sentences")
    if texts and corpus is not None:
        raise BadInput("--texts and --corpus were given: give one of them")
    if word is None and (texts or corpus is not None):
        raise BadInput(
            "sentences were given and no word to look for in them: give one, or leave --texts and --corpus out"
        )
    if most < 2:
        raise BadInput(f"--most {most}: choose 2 or more sentences")
    if out is not None and (out.suffix != ".html" or not out.parent.is_dir()):
        raise BadInput(f"{out}: the page is a .html file in a folder that is there")


def _names(models: tuple[Path, ...]) -> dict[str, Path]:
    """A short name for each folder: of a run's model the run's, and the whole path where two are alike."""
    short = [path.resolve().parent.name if path.name == "model" else path.resolve().name for path in models]
    return {str(path) if short.count(name) > 1 else name: path for name, path in zip(short, models, strict=True)}


def _places(
    word: str, texts: tuple[Path, ...], corpus: Path | None, segmenter: str, most: int, seed: int
) -> "tuple[list[Place], str]":
    """Where the word stands, and what was read."""
    from maskwright.lab.senses import find_places, is_chinese
    from maskwright.text.words import CharacterSegmenter, find_segmenter

    sentences, source = _sentences(word, texts, corpus)
    finder = find_segmenter(segmenter) if is_chinese(word) else None
    kept = [sentence for sentence in sentences if word in sentence]
    found = find_places(word, kept, None if isinstance(finder, CharacterSegmenter) else finder, most=most, seed=seed)
    if not found and finder is not None and kept:
        log(f"{word}: the segmenter finds no such word; places where its characters stand together are taken")
        found = find_places(word, kept, most=most, seed=seed)
    if not found:
        raise BadInput(f"no sentence of {source} has the word {word!r}: give other text, or another spelling")
    return found, source


def _sentences(word: str, texts: tuple[Path, ...], corpus: Path | None) -> tuple[Iterator[str], str]:
    from maskwright.lab import sense_texts
    from maskwright.lab.senses import is_chinese

    language = "zh" if is_chinese(word) else "en"
    if texts:
        return sense_texts.file_sentences(texts, language), ", ".join(map(str, texts))
    if corpus is None:
        return sense_texts.sample_sentences(language), f"the sample text ({language})"
    from maskwright.corpus.read import Corpus

    return sense_texts.corpus_sentences(Corpus.open(corpus), word), str(corpus)


def _read(examples: Path) -> "Examples":
    from maskwright.lab.sense_score import read_examples

    found = read_examples(examples)
    if found.missing or found.alone:
        log(
            f"{examples}: {len(found.rows):,} examples; left out are {found.missing:,} without their word, and "
            f"{found.alone:,} of words with nothing to compare"
        )
    return found


def _look(
    models: "Mapping[str, Loaded]",
    places: "list[Place]",
    examples: "Examples | None",
    layer: int,
    seed: int,
    progress: "Progress",
) -> "tuple[dict[str, Cloud], dict[str, Score]]":
    from maskwright.lab.sense_score import score_models
    from maskwright.lab.senses import cloud, vectors_at

    clouds: dict[str, Cloud] = {}
    for name, encoder in models.items() if places else ():
        try:
            clouds[name] = cloud(*vectors_at(encoder, places, layer, progress), seed)
        except BadInput as error:
            raise BadInput(f"{name}: {error}") from error
    scores = score_models(models, examples.rows, layer, progress) if examples is not None else {}
    return clouds, scores


def _result(
    word: str | None,
    places: "list[Place]",
    source: str,
    clouds: "dict[str, Cloud]",
    scores: "dict[str, Score]",
    out: Path | None,
) -> dict[str, Any]:
    def of_model(name: str) -> dict[str, Any]:
        found: dict[str, Any] = {"model": name}
        if name in clouds:
            one = clouds[name]
            clusters = [{"sentences": len(rows), "central": places[one.rows[rows[0]]].sentence} for rows in one.central]
            found |= {"vectors": len(one.rows), "distinct": one.distinct, "spread": one.spread}
            found |= {"silhouette": one.silhouette, "clusters": clusters}
        if name in scores:
            one = scores[name]
            found["score"] = {
                "auc": one.auc._asdict(), "gain": one.gain and one.gain._asdict(), "words": one.words,
                "same": one.same, "different": one.different, "left_out": one.left_out,
            }  # fmt: skip
        return found

    return {
        "word": word,
        "sentences": len(places),
        "source": source,
        "models": [of_model(name) for name in dict.fromkeys([*clouds, *scores])],
        "page": None if out is None else str(out),
    }


def _for_people(clouds: "dict[str, Cloud]", scores: "dict[str, Score]", out: Path | None) -> str:
    from maskwright.lab.sense_page import cloud_table, score_table

    parts = [_table(*cloud_table(clouds))] if clouds else []
    parts += [_table(*score_table(scores))] if scores else []
    return "\n\n".join([*parts, *([f"The page is {out}"] if out is not None else [])])


def _table(header: list[str], rows: list[list[str | float | int | None]]) -> str:
    """Columns, names to the left and numbers to the right."""
    from maskwright.report.markup import number

    def shown(cell: str | float | int | None) -> str:
        return cell if isinstance(cell, str) else f"{cell:,}" if isinstance(cell, int) else number(cell)

    cells = [header, *([shown(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in cells]
    return "\n".join("  ".join(line).rstrip() for line in lines)
