"""Building: what the shards hold, whoever worked on them."""

import gzip
import hashlib
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskwright.corpus.build import build_corpus
from maskwright.corpus.read import Corpus
from maskwright.corpus.sources import SampleText
from maskwright.corpus.work import WorkFolder
from maskwright.durable import locked
from maskwright.errors import BadInput
from maskwright.text.samples import sample
from maskwright.text.words import RjiebaSegmenter
from maskwright.tokenizers.files import SPECIAL_TOKENS
from maskwright.tokenizers.wordpiece import WordPiece
from tests.corpus.folders import contents, documents, texts, write_sentences


def test_the_shards_hold_the_text(text: Path, chapters: list[list[str]], tokenizer: WordPiece, tmp_path: Path) -> None:
    made = build_corpus([text], tmp_path / "c", tokenizer=tokenizer, held_out=0.1, shard_tokens=20_000)
    assert len(made.manifest.shards) > 5
    library = tokenizer._plain
    wanted = {" ".join(c): [library.encode(s, add_special_tokens=False).tokens for s in c] for c in chapters}
    lines = text.read_text().split("\n")
    found = 0
    for split in (made.train, made.held_out):
        names = [split.document_name(d) for d in range(split.num_documents)]
        for name, document in zip(names, documents(split, tokenizer), strict=True):
            file, line = name.split(":")
            first = int(line) - 1
            end = lines.index("", first)
            assert file == "chapters.txt" and document == wanted[" ".join(lines[first:end])]
            found += 1
    assert found == len(chapters) and made.held_out.num_documents == 12


def test_the_manifest_counts_what_is_there(text: Path, tokenizer: WordPiece, tmp_path: Path) -> None:
    made = build_corpus([text], tmp_path / "c", tokenizer=tokenizer, shard_tokens=20_000)
    for split, counts in (
        (made.train, made.manifest.splits["train"]),
        (made.held_out, made.manifest.splits["held-out"]),
    ):
        ids, starts = split.gather(np.array([0]), np.array([split.num_tokens]))
        assert (counts.documents, counts.sentences) == (split.num_documents, split.num_sentences)
        assert (counts.tokens, counts.words) == (split.num_tokens, int(starts.sum()))
        assert counts.unknown == int((ids == tokenizer.unk_id).sum())
        sizes = [shard.tokens for shard in made.manifest.shards if shard.file.startswith("train")]
        assert all(20_000 <= size < 20_000 + 4000 for size in sizes[:-1])
    assert Corpus.open(made.path, verify="checksums").tokenizer.fingerprint == tokenizer.fingerprint
    assert made.manifest.words == "pre-tokenizer" and made.manifest.duplicates == 0


def in_shapes(folder: Path, language: str) -> list[Path]:
    """Some chapters of a sample as sentences, as rows of JSON with two that are empty, and as wrapped prose."""
    chapters = [chapter.sentences for chapter in sample(language)[::7]]
    between, width = (" ", 72) if language == "en" else ("", 38)
    texts = [between.join(chapter) for chapter in chapters]
    rows = ["", *texts[:3], " ", *texts[3:]]
    files = {
        "s.txt": "\n\n".join("\n".join(chapter) for chapter in chapters),
        "j.jsonl": "\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in rows),
        "p.txt": "\n\n".join("\n".join(textwrap.wrap(text, width)) for text in texts),
    }
    for name, content in files.items():
        (folder / name).write_text(content + "\n")
    return [folder / name for name in files]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_any_number_of_workers_gives_the_same_bytes(tmp_path: Path, language: Any) -> None:
    inputs = in_shapes(tmp_path, language)
    for workers in (1, 2, 3):
        out = tmp_path / f"c{workers}"
        build_corpus(inputs, out, language=language, vocab_size=1500, workers=workers, shard_tokens=30_000)
    assert contents(tmp_path / "c1") == contents(tmp_path / "c2") == contents(tmp_path / "c3")


# As built when sentences were still split where files are read: before that moved into workers.
@pytest.mark.parametrize(
    ("language", "wanted"),
    [
        ("en", "6b8052b9a310492568209e79e6399038d95b7508ae7310fd59d9a2d9ef93786b"),
        ("zh", "4ab2b5e3dd3647988102853756fb07bdaeecb95a03f87716ee175c4edb24ca7b"),
    ],
)
def test_what_is_built_stays_the_same_from_version_to_version(tmp_path: Path, language: Any, wanted: str) -> None:
    letters = sorted({c for chapter in sample(language) for s in chapter.sentences for c in s.lower() if c.isalpha()})
    tokenizer = WordPiece([*SPECIAL_TOKENS, *letters, *(f"##{letter}" for letter in letters)])
    found = hashlib.sha256()
    for number, given in enumerate((in_shapes(tmp_path, language), SampleText(language))):
        made = build_corpus(given, tmp_path / str(number), language=language, tokenizer=tokenizer, held_out=0.2)
        found.update(made.manifest.text.encode())
        for split in (made.train, made.held_out):
            arrays = split.gather(np.array([0]), np.array([split.num_tokens]))
            for array in (*arrays, split.sentence_offsets, split.document_offsets):
                found.update(array.tobytes())
            found.update("".join(split.document_name(d) for d in range(split.num_documents)).encode())
    assert found.hexdigest() == wanted


@pytest.mark.parametrize("size", [1, 1000, 100_000])
def test_batches_change_nothing(
    text: Path, tokenizer: WordPiece, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    build_corpus([text], tmp_path / "one", tokenizer=tokenizer, shard_tokens=30_000)
    monkeypatch.setattr("maskwright.corpus.spool.BATCH", size)
    build_corpus([text], tmp_path / "other", tokenizer=tokenizer, shard_tokens=30_000)
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


def test_the_same_text_elsewhere_or_packed_is_the_same_corpus(text: Path, tokenizer: WordPiece, tmp_path: Path) -> None:
    first = build_corpus([text], tmp_path / "a", tokenizer=tokenizer)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "chapters.txt").write_bytes(text.read_bytes())
    assert build_corpus([tmp_path / "in"], tmp_path / "b", tokenizer=tokenizer).fingerprint == first.fingerprint
    (tmp_path / "chapters.txt").write_bytes(gzip.compress(text.read_bytes()))
    assert (
        build_corpus([tmp_path / "chapters.txt"], tmp_path / "c", tokenizer=tokenizer).fingerprint == first.fingerprint
    )
    changed = text.read_text().replace("Sir Walter", "Sir Walther")
    (tmp_path / "in" / "chapters.txt").write_text(changed + "\n\nOne more.\n")
    assert build_corpus([tmp_path / "in"], tmp_path / "d", tokenizer=tokenizer).fingerprint != first.fingerprint


def test_what_is_held_out_depends_on_content_and_seed_alone(
    chapters: list[list[str]], tokenizer: WordPiece, tmp_path: Path
) -> None:
    doubled = chapters + chapters[::-1]
    held: list[set[str]] = []
    for number, given, seed in ((0, chapters, 0), (1, chapters[::-1], 0), (2, doubled, 0), (3, chapters, 1)):
        path = write_sentences(tmp_path / f"{number}.txt", given)
        made = build_corpus([path], tmp_path / f"c{number}", tokenizer=tokenizer, held_out=0.1, seed=seed)
        kept_aside, trained = texts(made.held_out, tokenizer), texts(made.train, tokenizer)
        assert not kept_aside & trained and len(kept_aside) == 12 and len(trained) == 108
        held.append(kept_aside)
        assert made.manifest.duplicates == (120 if given is doubled else 0)
    assert held[0] == held[1] == held[2] != held[3]


@pytest.mark.parametrize(
    ("count", "share", "wanted"), [(1, 0.5, 0), (2, 0.01, 1), (2, 0.99, 1), (7, 0.0, 0), (40, 0.05, 2)]
)
def test_small_corpora_keep_something_on_both_sides(
    tokenizer: WordPiece, tmp_path: Path, count: int, share: float, wanted: int
) -> None:
    path = write_sentences(tmp_path / "t.txt", [[f"It was the year {i}.", "So it was."] for i in range(count)])
    made = build_corpus([path], tmp_path / "c", tokenizer=tokenizer, held_out=share)
    assert made.held_out.num_documents == wanted and made.train.num_documents == count - wanted


def test_shares_beyond_what_is_remembered_are_met_on_average(
    tokenizer: WordPiece, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maskwright.corpus.choice.COUNTED", 10)
    path = write_sentences(tmp_path / "t.txt", [[f"It was the year {i}."] for i in range(2000)])
    made = build_corpus([path], tmp_path / "c", tokenizer=tokenizer, held_out=0.1)
    assert abs(made.held_out.num_documents - 200) < 4 * (2000 * 0.1 * 0.9) ** 0.5
    assert made.manifest.duplicates is None


def test_the_vocabulary_is_trained_on_training_documents_only(chapters: list[list[str]], tmp_path: Path) -> None:
    marked = [[f"{'abcdefghijklmnop'[i % 16] * 3}zq{i} " * 20, *chapter] for i, chapter in enumerate(chapters)]
    made = build_corpus([write_sentences(tmp_path / "t.txt", marked)], tmp_path / "c", vocab_size=4000, held_out=0.2)
    tokenizer = made.tokenizer
    aside = ["".join(document[0][:12]).replace("##", "") for document in documents(made.held_out, tokenizer)]
    assert len(aside) == 24
    trained_pieces = [len(d[0]) for d in documents(made.train, tokenizer)]
    aside_pieces = [len(d[0]) for d in documents(made.held_out, tokenizer)]
    assert np.mean(trained_pieces) < 25 and min(aside_pieces) > 35


def test_much_text_gives_its_vocabulary_a_sample(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maskwright.corpus.summary.VOCABULARY_CHARACTERS", 100_000)
    made = build_corpus([text], tmp_path / "c", vocab_size=1500)
    assert made.manifest.tokenizer.trained is not None
    share = made.manifest.tokenizer.trained["share_of_training_documents"]
    total = sum(counts.characters for counts in made.manifest.splits.values())
    assert share == pytest.approx(100_000 / total, rel=0.01)


def test_what_is_dropped_is_counted_and_shown(tokenizer: WordPiece, tmp_path: Path) -> None:
    nothing = "\u200b\u200b\u200b"
    given = [["It was so.", nothing, "It was 雨."], [nothing], ["She was."], [nothing, nothing]]
    path = write_sentences(tmp_path / "t.txt", given)
    made = build_corpus([path], tmp_path / "c", tokenizer=tokenizer, held_out=0, shape="sentences")
    assert (made.train.num_documents, made.train.num_sentences) == (2, 3)
    lost = made.manifest.dropped
    assert lost["sentences without a token"].count == 4 and lost["sentences without a token"].characters == 12
    assert lost["documents without a token"].examples == ("t.txt:5", "t.txt:9")
    assert made.manifest.unknown_examples == ("雨",) and made.manifest.splits["train"].unknown == 1
    assert [made.train.document_name(d) for d in range(2)] == ["t.txt:1", "t.txt:7"]


def test_a_large_vocabulary_takes_wider_tokens(tmp_path: Path) -> None:
    tokenizer = WordPiece([*SPECIAL_TOKENS, *(f"w{i}" for i in range(70_000))])
    path = write_sentences(tmp_path / "t.txt", [["w69999 w0 w65536."]])
    made = build_corpus([path], tmp_path / "c", tokenizer=tokenizer, held_out=0)
    assert made.train.sentence(0).dtype == np.uint32
    assert made.train.sentence(0)[:3].tolist() == [70_004, 5, 65_541]


def test_chinese_words_are_the_segmenters(tmp_path: Path) -> None:
    source = SampleText("zh")
    made = build_corpus(source, tmp_path / "c", vocab_size=5000, shard_tokens=200_000)
    assert made.manifest.words and made.manifest.words.startswith("rjieba ")
    assert made.train.num_documents + made.held_out.num_documents == 120
    chapter = next(c for c in sample("zh") if c.title == made.train.document_name(0))
    _, starts = made.train.gather(np.array([0]), made.train.sentence_offsets[1:201][-1:])
    wanted = [len(RjiebaSegmenter().spans(sentence)) for sentence in chapter.sentences[:200]]
    assert int(starts.sum()) == sum(wanted)
    plain = build_corpus(source, tmp_path / "d", vocab_size=5000, segmenter="characters")
    assert plain.manifest.words is None


def test_a_finished_corpus_is_left_alone(text: Path, tokenizer: WordPiece, tmp_path: Path) -> None:
    made = build_corpus([text], tmp_path / "c", tokenizer=tokenizer)
    times = {file: file.stat().st_mtime_ns for file in made.path.rglob("*")}
    again = build_corpus([text], tmp_path / "c", tokenizer=tokenizer, workers=2)
    assert again.fingerprint == made.fingerprint
    assert {file: file.stat().st_mtime_ns for file in made.path.rglob("*")} == times
    with pytest.raises(BadInput, match="made with seed 0, not 1"):
        build_corpus([text], tmp_path / "c", tokenizer=tokenizer, seed=1)


def test_a_text_changed_since_is_noticed(text: Path, tokenizer: WordPiece, tmp_path: Path) -> None:
    path = tmp_path / "chapters.txt"
    path.write_bytes(text.read_bytes())
    made = build_corpus([path], tmp_path / "c", tokenizer=tokenizer)
    os.utime(path, ns=(2**62, 2**62))
    assert build_corpus([path], tmp_path / "c", tokenizer=tokenizer).fingerprint == made.fingerprint
    path.write_text(text.read_text().replace("a", "e"))
    os.utime(path, ns=(2**62, 2**62))
    with pytest.raises(BadInput, match="another text"):
        build_corpus([path], tmp_path / "c", tokenizer=tokenizer)


def test_a_text_that_looks_older_is_noticed_too(text: Path, tokenizer: WordPiece, tmp_path: Path) -> None:
    path = tmp_path / "chapters.txt"
    path.write_bytes(text.read_bytes())
    build_corpus([path], tmp_path / "c", tokenizer=tokenizer)
    path.write_text(text.read_text().replace("a", "e"))  # as many bytes as before
    os.utime(path, ns=(10**18, 10**18))
    with pytest.raises(BadInput, match="another text"):
        build_corpus([path], tmp_path / "c", tokenizer=tokenizer)


def test_a_text_that_changes_while_it_is_read_is_noticed(
    text: Path, tokenizer: WordPiece, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "chapters.txt"
    original = text.read_bytes()
    write_choice = WorkFolder.write_choice
    for change in (original + b"\n\nOne more.\n", original[: original.rfind(b"\n\n")], original.replace(b"a", b"e")):
        path.write_bytes(original)

        def between(*arguments: Any, change: bytes = change) -> None:
            path.write_bytes(change)
            os.utime(path, ns=(1, 1))
            write_choice(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr("maskwright.corpus.work.WorkFolder.write_choice", between)
            with pytest.raises(BadInput, match="were changed while they were read"):
                build_corpus([path], tmp_path / "c", tokenizer=tokenizer)
    assert build_corpus([path], tmp_path / "c", tokenizer=tokenizer).train.num_tokens


def test_what_is_no_corpus_is_not_written_over(text: Path, tokenizer: WordPiece, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(BadInput, match="holds something that is no corpus"):
        build_corpus([text], tmp_path / "thesis", tokenizer=tokenizer)
    (tmp_path / "thesis").rename(tmp_path / "c.partial")
    with pytest.raises(BadInput, match=r"chapter\.tex"):
        build_corpus([text], tmp_path / "c", tokenizer=tokenizer)
    assert (tmp_path / "c.partial" / "chapter.tex").read_text() == "years of work"
    with pytest.raises(BadInput, match="is a file"):
        build_corpus([text], text, tokenizer=tokenizer)


def test_an_empty_folder_may_be_filled(text: Path, tokenizer: WordPiece, tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    assert build_corpus([text], tmp_path / "c", tokenizer=tokenizer).train.num_documents


def test_a_second_process_is_refused(text: Path, tokenizer: WordPiece, tmp_path: Path) -> None:
    with locked(tmp_path / "c.partial"), pytest.raises(BadInput, match=str(os.getpid())):
        build_corpus([text], tmp_path / "c", tokenizer=tokenizer)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b" \n\n\t\n", "empty"),
        (b"one.\n\0\0two", "binary"),
        (b"one.\nt\xff\n", "byte 6"),
        ("Nothing.\n\u200b\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_bad_text_leaves_nothing_behind(tokenizer: WordPiece, tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "t.txt").write_bytes(data)
    with pytest.raises(BadInput, match=message) as caught:
        build_corpus([tmp_path / "t.txt"], tmp_path / "out" / "c", tokenizer=tokenizer)
    assert "\n" not in str(caught.value) and not list(tmp_path.glob("out/*"))


def test_text_without_a_token_leaves_nothing_behind(tokenizer: WordPiece, tmp_path: Path) -> None:
    path = write_sentences(tmp_path / "t.txt", [["\u200b"], ["\u200b\u200b"]])
    with pytest.raises(BadInput, match="no sentence of the inputs has a token"):
        build_corpus([path], tmp_path / "c", tokenizer=tokenizer)
    assert not (tmp_path / "c.partial").exists() and not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"held_out": 1.0}, "held-out share 1.0"),
        ({"held_out": -0.1}, "held-out share -0.1"),
        ({"workers": 0}, "workers is 0"),
        ({"vocab_size": 3}, "vocabulary of 3"),
        ({"segmenter": "none", "language": "zh"}, "segmenter 'none'"),
    ],
)
def test_arguments_out_of_range(text: Path, tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        build_corpus([text], tmp_path / "c", **arguments)
    assert not list(tmp_path.iterdir())


def test_nothing_here_imports_torch() -> None:
    check = "import sys, maskwright.corpus.build; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


def test_with_characters_as_words_no_segmenter_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_sentences(tmp_path / "t.txt", [list(sample("zh")[0].sentences)])
    monkeypatch.delattr("maskwright.text.words.CharacterSegmenter.spans")
    made = build_corpus([path], tmp_path / "c", language="zh", vocab_size=500, segmenter="characters")
    assert made.manifest.words is None and made.manifest.arguments["words"] == "characters"
    _, starts = made.train.gather(np.array([0]), np.array([made.train.num_tokens]))
    assert starts.all()
