"""`maskwright corpus info|head|verify|merge|split`: looking at finished corpora, and making others of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from maskwright.cli.results import AsJson, show

if TYPE_CHECKING:
    from maskwright.corpus.read import Corpus
    from maskwright.text.cleaning.account import StepAccount


def info(corpus: Path, /, *, json: AsJson = False) -> None:
    """Say what a corpus holds, how it was made and what was dropped.

    Args:
        corpus: The folder that `maskwright corpus` made.

    Examples:
        maskwright corpus info corpora/en
        maskwright corpus info corpora/en --json
    """
    from maskwright.corpus.read import Corpus

    show(described(Corpus.open(corpus)), json=json)


def head(
    corpus: Path,
    /,
    *,
    documents: int = 3,
    sentences: int = 8,
    skip: int = 0,
    held_out: Annotated[bool, Parameter(name="--held-out")] = False,
    json: AsJson = False,
) -> None:
    """Show documents of a corpus: their text, and the words and pieces it became.

    Args:
        corpus: The folder that `maskwright corpus` made.
        documents: How many documents.
        sentences: How many sentences of each.
        skip: Documents to pass over first.
        held_out: Look at the held-out part instead.

    Examples:
        maskwright corpus head corpora/en
        maskwright corpus head corpora/zh --documents 1 --skip 100 --held-out
    """
    from maskwright.corpus.read import Corpus
    from maskwright.errors import BadInput

    if min(documents, sentences) < 1 or skip < 0:
        raise BadInput(f"documents {documents}, sentences {sentences}, skip {skip}: give numbers from 1, 1 and 0")
    opened = Corpus.open(corpus)
    split = opened.held_out if held_out else opened.train
    shown = [
        _document(opened, split, number, sentences)
        for number in range(skip, min(skip + documents, split.num_documents))
    ]
    show(shown, json=json, text=lambda: "\n\n".join(map(_as_text, shown)) or "there is no such document")


def _document(corpus: "Corpus", split: Any, number: int, most: int) -> dict[str, Any]:
    import numpy as np

    first, end = split.document_offsets[number : number + 2].tolist()
    rows: list[dict[str, Any]] = []
    for sentence in range(first, min(end, first + most)):
        begin, stop = split.sentence_offsets[sentence : sentence + 2].tolist()
        ids, starts = split.gather(np.array([begin]), np.array([stop - begin]))
        tokens = [corpus.tokenizer.id_to_token(int(index)) for index in ids]
        words: list[list[str]] = []
        for token, starts_word in zip(tokens, starts.tolist(), strict=True):
            if starts_word or not words:
                words.append([])
            words[-1].append(token)
        rows.append({"text": split.text(sentence), "words": words})
    return {"document": number, "name": split.document_name(number), "sentences": end - first, "shown": rows}


def _as_text(document: dict[str, Any]) -> str:
    lines = [f"document {document['document']:,}, {document['name']}, {document['sentences']:,} sentences"]
    for row in document["shown"]:
        lines += [f"  {row['text']}", "    " + " ".join("·".join(word) for word in row["words"])]
    return "\n".join(lines)


def verify(corpus: Path, /, *, json: AsJson = False) -> None:
    """Read a corpus through and compare every checksum with its manifest; exit code 2 names what is damaged.

    Args:
        corpus: The folder that `maskwright corpus` made.

    Examples:
        maskwright corpus verify corpora/en
    """
    from maskwright.corpus.read import Corpus
    from maskwright.progress import rich_progress

    opened = Corpus.open(corpus)
    opened.check(checksums=True, progress=rich_progress())
    tokens = opened.train.sentence_offsets[-1] + opened.held_out.sentence_offsets[-1]
    fingerprint = opened.tokenizer.fingerprint
    show(
        {
            "corpus": str(opened.path),
            "sound": True,
            "shards": len(opened.manifest.shards),
            "tokens": int(tokens),
            "tokenizer": fingerprint,
        },
        json=json,
    )


def merge(*corpora: Path, out: Path, json: AsJson = False) -> None:
    """Join corpora that were made with the same tokenizer.

    A training document that another of them holds out is left out, and counted.

    Args:
        corpora: The folders, two or more; their documents come in this order.
        out: The folder to make.

    Examples:
        maskwright corpus merge corpora/news corpora/books --out corpora/all
    """
    from maskwright.corpus.rearrange import merge as merged
    from maskwright.progress import rich_progress

    show(described(merged(corpora, out, progress=rich_progress())), json=json)


def split(
    corpus: Path,
    /,
    *,
    out: Annotated[tuple[Path, ...], Parameter(consume_multiple=True)],
    shares: Annotated[tuple[float, ...], Parameter(consume_multiple=True)],
    seed: int = 0,
    json: AsJson = False,
) -> None:
    """Divide a corpus into several, by document; what is held out stays so.

    Args:
        corpus: The folder that `maskwright corpus` made.
        out: The folders to make.
        shares: The share of the documents that goes into each, together at most 1.
        seed: Another one divides otherwise.

    Examples:
        maskwright corpus split corpora/en --out corpora/a corpora/b --shares 0.9 0.1
    """
    from maskwright.corpus.rearrange import split as divided
    from maskwright.progress import rich_progress

    made = divided(corpus, out, shares, seed=seed, progress=rich_progress())
    show({str(part.path): described(part) for part in made}, json=json)


def described(made: "Corpus") -> dict[str, Any]:
    """What a reader wants to know of a corpus."""
    manifest = made.manifest
    splits = {name: counts.model_dump() for name, counts in manifest.splits.items()}
    tokens = sum(counts.tokens for counts in manifest.splits.values())
    unknown = sum(counts.unknown for counts in manifest.splits.values())
    return {
        "corpus": str(made.path),
        "fingerprint": made.fingerprint,
        **({"pairs of": " and ".join(manifest.languages)} if manifest.languages else {}),
        "vocabulary": manifest.tokenizer.vocab_size,
        "words": manifest.words or "none: whole-word masking will refuse this corpus",
        **splits,
        "cleaning": {step: _told(done) for step, done in manifest.cleaning.steps.items()} or "nothing to do",
        "duplicate documents (kept)": manifest.duplicates,
        "unknown tokens": f"{unknown / max(tokens, 1):.3%}",
        "such as": " ".join(manifest.unknown_examples[:10]) or None,
        "dropped": {reason: f"{lost.count:,}, such as {lost.examples[0]}" for reason, lost in manifest.dropped.items()}
        or "nothing",
    }


def _told(done: "StepAccount") -> str:
    dropped = f"{done.dropped_documents:,} documents dropped" if done.dropped_documents else ""
    changed = f"{done.characters:,} characters changed in {done.documents:,} documents" if done.documents else ""
    return ", ".join(filter(None, (dropped, changed, f"such as {done.examples[0]}" if done.examples else "")))


PARTS = {"info": info, "head": head, "verify": verify, "merge": merge, "split": split}
