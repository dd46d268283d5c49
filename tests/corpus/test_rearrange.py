"""Joining and dividing corpora: every document is somewhere, once, as it was."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from maskwright.corpus.build import build_corpus
from maskwright.corpus.manifest import SplitCounts
from maskwright.corpus.read import Corpus, Split
from maskwright.corpus.rearrange import LEFT_OUT, merge, split
from maskwright.errors import BadInput
from maskwright.text.samples import sample
from maskwright.tokenizers.wordpiece import WordPiece


@pytest.fixture(scope="module")
def tokenizer() -> WordPiece:
    return WordPiece.train([s for d in sample("en")[::6] for s in d.sentences], 1500)


def made(folder: Path, name: str, chapters: range, tokenizer: WordPiece, held_out: float = 0.2) -> Corpus:
    text = "\n\n".join("\n".join(sample("en")[i].sentences[:20]) for i in chapters)
    (folder / f"{name}.txt").write_text(text + "\n")
    return build_corpus(
        [folder / f"{name}.txt"], folder / name, tokenizer=tokenizer, held_out=held_out, shard_tokens=3000
    )


def documents(part: Split) -> list[tuple[str, ...]]:
    """Text, tokens and word starts of every document."""
    found: list[tuple[str, ...]] = []
    for number in range(part.num_documents):
        first, end = part.sentence_offsets[part.document_offsets[number : number + 2]]
        ids, starts = part.gather(np.array([first]), np.array([end - first]))
        found.append((*part.document_text(number), str(ids.tolist()), str(starts.tolist())))
    return found


def check_counts(corpus: Corpus) -> None:
    Corpus.open(corpus.path, verify="checksums")
    for name, part in (("train", corpus.train), ("held-out", corpus.held_out)):
        ids, starts = part.gather(np.array([0]), np.array([part.num_tokens]))
        counts = corpus.manifest.splits[name]  # type: ignore[index]
        assert counts == SplitCounts(
            documents=part.num_documents,
            sentences=part.num_sentences,
            tokens=part.num_tokens,
            words=int(starts.sum()),
            characters=sum(len(part.text(i)) for i in range(part.num_sentences)),
            unknown=int((ids == corpus.tokenizer.unk_id).sum()),
        )


def test_joined_corpora_hold_all_documents_in_order(tokenizer: WordPiece, tmp_path: Path) -> None:
    one, other = made(tmp_path, "a", range(30), tokenizer), made(tmp_path, "b", range(40, 60), tokenizer)
    both = merge([one.path, other.path], tmp_path / "c")
    check_counts(both)
    assert documents(both.train) == documents(one.train) + documents(other.train)
    assert documents(both.held_out) == documents(one.held_out) + documents(other.held_out)
    assert both.tokenizer.fingerprint == tokenizer.fingerprint and LEFT_OUT not in both.manifest.dropped
    assert merge([one.path, other.path], tmp_path / "d").fingerprint == both.fingerprint


def test_what_another_holds_out_is_not_trained_on(tokenizer: WordPiece, tmp_path: Path) -> None:
    one, other = made(tmp_path, "a", range(30), tokenizer), made(tmp_path, "b", range(20, 50), tokenizer, 0.3)
    both = merge([one.path, other.path], tmp_path / "c")
    aside = set(documents(both.held_out))
    left = [d for d in documents(one.train) + documents(other.train) if d not in aside]
    lost = one.train.num_documents + other.train.num_documents - len(left)
    assert lost and documents(both.train) == left
    assert both.manifest.dropped[LEFT_OUT].count == lost
    check_counts(both)


def test_corpora_that_do_not_go_together_are_refused(tokenizer: WordPiece, tmp_path: Path) -> None:
    one = made(tmp_path, "a", range(10), tokenizer)
    other = made(tmp_path, "b", range(10), WordPiece.train(sample("en")[0].sentences, 400))
    with pytest.raises(BadInput, match=rf"{one.path} and {other.path} have another tokenizer"):
        merge([one.path, other.path], tmp_path / "c")
    with pytest.raises(BadInput, match="two corpora or more"):
        merge([one.path], tmp_path / "c")
    with pytest.raises(BadInput, match="exists already"):
        merge([one.path, one.path], other.path)
    assert not (tmp_path / "c").exists()


def test_divided_corpora_hold_every_document_once(tokenizer: WordPiece, tmp_path: Path) -> None:
    whole = made(tmp_path, "a", range(80), tokenizer)
    parts = split(whole.path, [tmp_path / "x", tmp_path / "y"], [0.75, 0.25], seed=3)
    for name in ("train", "held_out"):
        found = [document for part in parts for document in documents(getattr(part, name))]
        assert Counter(found) == Counter(documents(getattr(whole, name)))
    for part in parts:
        check_counts(part)
    assert 0.5 < parts[0].train.num_documents / whole.train.num_documents < 0.95
    again = split(whole.path, [tmp_path / "z"], [0.75], seed=3)[0]
    assert documents(again.train) == documents(parts[0].train)
    other = split(whole.path, [tmp_path / "w"], [0.75], seed=4)[0]
    assert documents(other.train) != documents(parts[0].train)


@pytest.mark.parametrize(
    ("outs", "shares", "message"),
    [
        (["x", "y"], [0.5], "2 folders and 1 shares"),
        (["x", "y"], [0.7, 0.5], "together at most 1"),
        (["x"], [0.0], "above 0"),
        (["a"], [0.5], "exists already"),
        (["x"], [1e-9], "no document to train on"),
    ],
)
def test_what_cannot_be_divided_leaves_nothing(
    tokenizer: WordPiece, tmp_path: Path, outs: list[str], shares: list[float], message: str
) -> None:
    whole = made(tmp_path, "a", range(8), tokenizer)
    there = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(BadInput, match=message):
        split(whole.path, [tmp_path / out for out in outs], shares)
    assert sorted(path.name for path in tmp_path.iterdir()) == there
