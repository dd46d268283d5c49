"""The data card: README.md of a corpus, what is in it for people, made from the manifest."""

from maskwright.corpus.manifest import Manifest

CARD = "README.md"


def card(manifest: Manifest) -> str:
    """Markdown: how much there is, what was asked for, what was done to the text and what was lost, with examples."""
    counts = manifest.splits
    lines = [
        "# Corpus",
        "",
        (
            f"{_languages(manifest)}; made by `maskwright corpus`, format {manifest.format_version}, "
            f"fingerprint `{manifest.fingerprint[:16]}`."
        ),
        "",
        "| | documents | sentences | words | tokens | characters | unknown tokens |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {split} | {c.documents:,} | {c.sentences:,} | {c.words:,} | {c.tokens:,} | {c.characters:,} "
            f"| {c.unknown / max(1, c.tokens):.3%} |"
            for split, c in counts.items()
        ),
        "",
        (
            f"Vocabulary: {manifest.tokenizer.vocab_size:,} tokens, fingerprint "
            f"`{manifest.tokenizer.fingerprint[:16]}`. Words: {manifest.words or 'none marked'}. "
            f"Unicode {manifest.unidata_version}."
        ),
        "",
        "## What was asked for",
        "",
        *(f"- {name}: {value}" for name, value in manifest.arguments.items() if value is not None),
        "",
        "## What cleaning did",
        "",
        *_libraries(manifest),
        manifest.cleaning.markdown(examples=5),
        "",
        "## What was lost on the way to tokens",
        "",
        *(_dropped(manifest) or ["Nothing."]),
    ]
    if manifest.unknown_examples:
        lines += ["", "## Words that became [UNK]", "", " ".join(f"`{word}`" for word in manifest.unknown_examples)]
    return "\n".join(lines) + "\n"


def _languages(manifest: Manifest) -> str:
    if not manifest.languages:
        return f"Language {manifest.language}"
    return f"Pairs of sentences, {' and '.join(manifest.languages)}, in turn"


def _libraries(manifest: Manifest) -> list[str]:
    if not manifest.libraries:
        return []
    return ["With " + ", ".join(f"{name} {version}" for name, version in manifest.libraries.items()) + ".", ""]


def _dropped(manifest: Manifest) -> list[str]:
    rows: list[str] = []
    for reason, lost in manifest.dropped.items():
        rows.append(f"- {reason}: {lost.count:,} ({lost.characters:,} characters)")
        rows += [f"    - {_inline(example)}" for example in lost.examples[:5]]
    return rows


def _inline(text: str) -> str:
    """Text of a corpus as code, so that none of it is taken for Markdown.

    >>> _inline("a `b` c")
    '`` a `b` c ``'
    """
    fence = "`" * (max((len(run) for run in text.split() if set(run) == {"`"}), default=0) + (2 if "`" in text else 1))
    return f"{fence} {text} {fence}" if "`" in text else f"{fence}{text}{fence}"
