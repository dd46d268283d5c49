"""`maskwright tokenizer`: train a vocabulary, look at what one does to a text, or compare several."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from maskwright.cli.results import AsJson, show
from maskwright.errors import BadInput

if TYPE_CHECKING:
    from maskwright.text.words import Segmenter
    from maskwright.tokenizers.tokenizer import Kind


def tokenizer(
    action: Literal["train", "show", "compare"],
    /,
    *given: str,
    kind: Literal["wordpiece", "byte_bpe", "bpe", "unigram", "characters", "words"] = "wordpiece",
    style: str | None = None,
    out: Path | None = None,
    language: Literal["en", "zh"] = "en",
    vocab_size: int = 8000,
    cased: bool = False,
    segmenter: str | None = None,
    dictionary: Path | None = None,
    report: Path | None = None,
    json: AsJson = False,
) -> None:
    """Train a vocabulary, show the pieces of a text, or compare tokenizers.

    A tokenizer is a folder in the Hugging Face layout, or a tokenizer.json, a
    vocab.txt, a vocab.json with merges.txt beside it, or a SentencePiece .model.

    Args:
        action: train, show or compare.
        given: To train, the text: files and folders. To show, a tokenizer and
            texts. To compare, two tokenizers or more, then files and folders.
        kind: Of the vocabulary to train: wordpiece (BERT), byte_bpe (RoBERTa),
            bpe (GPT), unigram (ALBERT), characters (ELMo), words (word2vec).
        style: Whose special tokens it gets: roberta or gpt2 for byte_bpe; albert, xlnet
            or xlm-roberta for unigram. Default: the first.
        out: The folder to make, in the Hugging Face layout.
        language: Of the text to train on or to compare on: en or zh.
        vocab_size: The most tokens there may be.
        cased: Keep capitals; wordpiece keeps accents too.
        segmenter: Who finds Chinese words: auto, rjieba, characters, or
            module:attribute for one of your own. Default: auto; in training it
            matters for words alone, and there default is none.
        dictionary: More words for rjieba, a line each: word, frequency, tag.
        report: For compare: a file to draw the result in, .html.

    Examples:
        maskwright tokenizer train books/ --out tokenizers/books
        maskwright tokenizer train zh/ --kind unigram --language zh --out t
        maskwright tokenizer train books/ --kind unigram --style xlnet --out t
        maskwright tokenizer show tokenizers/books "It is a truth"
        maskwright tokenizer compare t1 t2 books/ --report tokenizers.html
    """
    if action == "train":
        show(_train(given, out, kind, style, language, vocab_size, cased, segmenter, dictionary), json=json)
    elif action == "show":
        if len(given) < 2:
            raise BadInput("tokenizer show takes a tokenizer and a text: maskwright tokenizer show FOLDER TEXT")
        shown = _shown(Path(given[0]), given[1:], _segmenter(segmenter or "auto", dictionary))
        show(shown, json=json, text=lambda: "\n\n".join(map(_table, shown)))
    else:
        _compare(given, language, _segmenter(segmenter or "auto", dictionary), report, json)


def _segmenter(name: str, dictionary: Path | None) -> "Segmenter":
    from maskwright.text.words import find_segmenter

    return find_segmenter(name, dictionary)


class _Sentences:
    """The sentences of files and folders, from the beginning each time."""

    def __init__(self, inputs: Sequence[str], language: Literal["en", "zh"]) -> None:
        from maskwright.text.readers import find_inputs

        self._files = find_inputs(inputs)
        self._language: Literal["en", "zh"] = language

    def __iter__(self) -> Iterator[str]:
        from maskwright.progress import rich_progress
        from maskwright.text.readers import read_documents

        with rich_progress().stage("Reading", None, "sentences") as stage:
            for document in read_documents([file.path for file in self._files], language=self._language):
                stage.advance(len(document.sentences))
                yield from document.sentences

    def check_repeatable(self) -> None:
        """BadInput when something can be read only once."""
        if once := [file.name for file in self._files if file.size is None]:
            raise BadInput(f"a vocabulary takes several readings of its text, {once[0]} gives only one: name a file")


def _train(
    inputs: Sequence[str],
    out: Path | None,
    kind: "Kind",
    style: str | None,
    language: Literal["en", "zh"],
    vocab_size: int,
    cased: bool,
    segmenter: str | None,
    dictionary: Path | None,
) -> dict[str, Any]:
    from maskwright.tokenizers.loading import train

    if out is None:
        raise BadInput("tokenizer train needs --out: the folder to make")
    if (segmenter or dictionary) and kind != "words":
        raise BadInput(f"a vocabulary of {kind} is trained without a segmenter: leave it off, or give --kind words")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise BadInput(f"{out} exists already: give another folder for --out, or remove it")
    found = _segmenter(segmenter or "rjieba", dictionary) if segmenter or dictionary else None
    sentences: _Sentences | list[str] = []
    if kind != "characters":
        sentences = _Sentences(inputs, language)
        sentences.check_repeatable()
    made = train(kind, sentences, vocab_size, lowercase=False if cased else None, segmenter=found, style=style)
    made.save(out)
    return {"tokenizer": str(out), "kind": kind, "vocabulary": made.vocab_size, "fingerprint": made.fingerprint}


def _shown(path: Path, texts: Sequence[str], segmenter: "Segmenter") -> list[dict[str, Any]]:
    import numpy as np

    from maskwright.tokenizers.loading import load_tokenizer

    loaded = load_tokenizer(path)
    shown: list[dict[str, Any]] = []
    for text, encoded in zip(texts, loaded.encode_pairs(texts), strict=True):
        words = encoded.word_ids
        inside = words >= 0
        plain = loaded.encode_sentences([text], segmenter)
        if np.array_equal(plain.token_ids, encoded.ids[inside]):  # no special token stands in the text
            words[inside] = np.cumsum(plain.word_starts) - 1
        rows = zip(encoded.tokens, encoded.ids.tolist(), words.tolist(), encoded.offsets.tolist(), strict=True)
        tokens = [{"token": token, "id": index, "word": word, "span": span} for token, index, word, span in rows]
        shown.append({"text": text, "tokens": tokens})
    return shown


def _table(shown: dict[str, Any]) -> str:
    text, tokens = shown["text"], shown["tokens"]
    lines = [f"{'token':<16} {'id':>7} {'word':>5} {'from':>5} {'to':>5}  text"]
    for row in tokens:
        first, end = row["span"]
        word = "-" if row["word"] < 0 else str(row["word"])
        lines.append(f"{row['token']:<16} {row['id']:>7} {word:>5} {first:>5} {end:>5}  {text[first:end]}".rstrip())
    return "\n".join(lines)


def _compare(
    given: Sequence[str], language: Literal["en", "zh"], segmenter: "Segmenter", report: Path | None, json: bool
) -> None:
    from maskwright.lab import tokenizer_comparison
    from maskwright.tokenizers.loading import is_tokenizer, load_tokenizer

    if report and (report.is_dir() or not os.access(report.parent, os.W_OK)):
        raise BadInput(f"--report {report} cannot be written: give a file in a folder that is there and can be written")
    several = next((i for i, path in enumerate(given) if i >= 2 and not is_tokenizer(Path(path))), len(given))
    paths, inputs = given[:several], given[several:]
    if len(paths) < 2 or not inputs:
        raise BadInput(
            "tokenizer compare takes two tokenizers or more and a text: maskwright tokenizer compare A B FILES"
        )
    sentences = _Sentences(inputs, language)
    tokenizers = {path: load_tokenizer(path) for path in paths}
    measured = tokenizer_comparison.compare(tokenizers, sentences, segmenter)
    if report:
        tokenizer_comparison.page(measured).write(report)
    show(tokenizer_comparison.as_data(measured), json=json, text=lambda: tokenizer_comparison.table(measured))
