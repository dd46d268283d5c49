"""`maskwright tokenizer`: train a vocabulary, or look at what one does to a text."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from maskwright.cli.results import AsJson, show


def tokenizer(
    action: Literal["train", "show"],
    /,
    *given: str,
    out: Path | None = None,
    language: Literal["en", "zh"] = "en",
    vocab_size: int = 8000,
    cased: bool = False,
    json: AsJson = False,
) -> None:
    """Train a WordPiece vocabulary, or show the pieces of a text.

    Args:
        action: train or show.
        given: To train, the text: files and folders. To show, a tokenizer (a
            folder, vocab.txt or tokenizer.json) and texts.
        out: The folder to make, in the Hugging Face layout.
        language: Of the text to train on: en or zh.
        vocab_size: The most tokens there may be.
        cased: Keep capitals and accents.

    Examples:
        maskwright tokenizer train books/ --out tokenizers/books
        maskwright tokenizer show tokenizers/books "It is a truth"
    """
    from maskwright.errors import BadInput

    if action == "train":
        if out is None:
            raise BadInput("tokenizer train needs --out: the folder to make")
        result = _train(given, out, language, vocab_size, not cased)
        show(result, json=json)
        return
    if len(given) < 2:
        raise BadInput("tokenizer show takes a tokenizer and a text: maskwright tokenizer show FOLDER TEXT")
    shown = _shown(Path(given[0]), given[1:])
    show(shown, json=json, text=lambda: "\n\n".join(map(_table, shown)))


def _train(
    inputs: Sequence[str], out: Path, language: Literal["en", "zh"], vocab_size: int, lowercase: bool
) -> dict[str, Any]:
    from maskwright.errors import BadInput
    from maskwright.progress import rich_progress
    from maskwright.text.readers import find_inputs, read_documents
    from maskwright.tokenizers.wordpiece import WordPiece

    if once := [file.name for file in find_inputs(inputs) if file.size is None]:
        raise BadInput(f"a vocabulary takes several readings of its text, {once[0]} gives only one: name a file")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise BadInput(f"{out} exists already: give another folder for --out, or remove it")
    files = find_inputs(inputs)

    class Sentences:
        """The text, from its beginning each time."""

        def __iter__(self) -> Iterator[str]:
            with rich_progress().stage("Reading", None, "sentences") as stage:
                for document in read_documents([file.path for file in files], language=language):
                    stage.advance(len(document.sentences))
                    yield from document.sentences

    made = WordPiece.train(Sentences(), vocab_size, lowercase=lowercase)
    made.save(out)
    return {"tokenizer": str(out), "vocabulary": made.vocab_size, "fingerprint": made.fingerprint}


def _shown(path: Path, texts: Sequence[str]) -> list[dict[str, Any]]:
    from maskwright.tokenizers.wordpiece import WordPiece

    loaded = WordPiece.load(path)
    shown: list[dict[str, Any]] = []
    for text, encoded in zip(texts, loaded.encode_pairs(texts), strict=True):
        rows = zip(
            encoded.tokens, encoded.ids.tolist(), encoded.word_ids.tolist(), encoded.offsets.tolist(), strict=True
        )
        tokens = [{"token": token, "id": index, "word": word, "span": span} for token, index, word, span in rows]
        shown.append({"text": text, "tokens": tokens})
    return shown


def _table(shown: dict[str, Any]) -> str:
    text, tokens = shown["text"], shown["tokens"]
    lines = [f"{'token':<16} {'id':>7} {'word':>5}  text"]
    for row in tokens:
        first, end = row["span"]
        word = "-" if row["word"] < 0 else str(row["word"])
        lines.append(f"{row['token']:<16} {row['id']:>7} {word:>5}  {text[first:end]}")
    return "\n".join(lines)
