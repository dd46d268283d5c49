"""Parallel corpora: each sentence is followed by its translation, whatever was lost, whoever worked on it."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskwright.corpus.build import build_corpus
from maskwright.corpus.manifest import Manifest, content_fingerprint, manifest_bytes, read_manifest, sealed, unsealed
from maskwright.corpus.parallel import AGAIN, EMPTY, ParallelText
from maskwright.corpus.read import Corpus, Split
from maskwright.corpus.rearrange import merge, split
from maskwright.errors import BadInput
from maskwright.objectives.stream import Stream
from maskwright.objectives.translation import TranslationPairs
from maskwright.text.cleaning.cleaner import CleaningConfig
from maskwright.text.samples import sample
from maskwright.text.words import RjiebaSegmenter
from maskwright.tokenizers.loading import load_tokenizer
from maskwright.tokenizers.wordpiece import WordPiece
from tests.corpus.folders import contents
from tests.corpus.test_stopping import Stopped, stopping_at

Document = list[tuple[str, str]]


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    """English and Chinese sentences side by side, no translations, but nothing here reads them."""
    chapters = zip(sample("en")[:90], sample("zh")[:90], strict=True)
    return [list(zip(en.sentences[:12], zh.sentences[:12], strict=False)) for en, zh in chapters]


@pytest.fixture(scope="module")
def both(documents: list[Document]) -> WordPiece:
    return WordPiece.train([side for document in documents for pair in document for side in pair], 3000)


def write_tsv(path: Path, documents: Sequence[Document]) -> Path:
    path.write_text("\n\n".join("\n".join(map("\t".join, document)) for document in documents) + "\n")
    return path


def text(*paths: Path, languages: tuple[str, str] = ("en", "zh")) -> ParallelText:
    return ParallelText(paths, languages=languages)


def pairs(part: Split) -> list[Document]:
    read = [part.document_text(number) for number in range(part.num_documents)]
    return [list(zip(sentences[::2], sentences[1::2], strict=True)) for sentences in read]


def left(documents: Sequence[Document]) -> tuple[list[Document], int, int]:
    """What should stay, and how many pairs have an empty side or stood before."""
    seen: set[tuple[str, str]] = set()
    kept: list[Document] = []
    empty = again = 0
    for document in documents:
        stays: Document = []
        for pair in document:
            empty += not all(pair)
            again += all(pair) and pair in seen
            if all(pair) and pair not in seen:
                seen.add(pair)
                stays.append(pair)
        kept += [stays] if stays else []
    return kept, empty, again


def test_what_stays_stands_in_pairs_and_the_rest_is_counted(
    documents: list[Document], both: WordPiece, tmp_path: Path
) -> None:
    given = [list(document) for document in documents]
    given[3][1:1] = [("", "没有英文。"), ("No Chinese.", "")]
    given[5] += given[2][:4]
    given[7] = [("No Chinese here.", "")]
    wanted, empty, again = left(given)
    made = build_corpus(text(write_tsv(tmp_path / "p.tsv", given)), tmp_path / "c", tokenizer=both, held_out=0.1)
    assert empty == 3 and again >= 4
    assert sorted(pairs(made.train) + pairs(made.held_out)) == sorted(wanted)
    assert made.held_out.num_documents == round(0.1 * len(wanted))
    manifest = made.manifest
    assert manifest.languages == ("en", "zh") and manifest.dropped[EMPTY].count == empty
    assert manifest.dropped[AGAIN].count == again
    assert [example.partition(": ")[2] for example in manifest.dropped[EMPTY].examples] == [
        " | 没有英文。",
        "No Chinese. | ",
        "No Chinese here. | ",
    ]
    assert manifest.dropped[EMPTY].characters == len("没有英文。No Chinese.No Chinese here.")
    assert "Pairs of sentences, en and zh" in (made.path / "README.md").read_text()


def test_all_shapes_give_the_same_corpus(documents: list[Document], both: WordPiece, tmp_path: Path) -> None:
    write_tsv(tmp_path / "p.tsv", documents)
    rows = [{"en": en, "zh": zh, "document": n} for n, document in enumerate(documents) for en, zh in document]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for side, name in enumerate(("p.en", "p.zh")):
        content = "\n\n".join("\n".join(pair[side] for pair in document) for document in documents)
        (tmp_path / name).write_text(content + "\n")
    shapes = [["p.tsv"], ["p.jsonl"], ["p.en", "p.zh"]]
    made = [
        build_corpus(text(*(tmp_path / name for name in names)), tmp_path / str(number), tokenizer=both)
        for number, names in enumerate(shapes)
    ]
    assert len({corpus.manifest.text for corpus in made}) == 1
    assert pairs(made[0].train) == pairs(made[1].train) == pairs(made[2].train)


def words_of(part: Split, number: int) -> tuple[list[int], list[int]]:
    first, end = part.sentence_offsets[number : number + 2].tolist()
    ids, starts = part.gather(np.array([first]), np.array([end - first]))
    return ids.tolist(), starts.tolist()


@pytest.mark.parametrize("kind", ["wordpiece", "byte_bpe", "unigram"])
def test_one_vocabulary_and_each_side_its_own_words(documents: list[Document], tmp_path: Path, kind: Any) -> None:
    """Also where English words stand in a corpus that has Chinese ones, and Chinese in the English side."""
    given = [[*documents[0], ("He said 语言模型 to don't.", "使用语言模型来预测don't。")], *documents[1:30]]
    file = write_tsv(tmp_path / "p.tsv", given)
    made = build_corpus(text(file), tmp_path / "c", kind=kind, vocab_size=1500, held_out=0)
    assert made.manifest.words is not None and made.manifest.words.startswith("rjieba")
    tokenizer = load_tokenizer(made.path / "tokenizer")
    segmenters = None, RjiebaSegmenter()
    for number in range(made.train.num_sentences):
        alone = tokenizer.encode_sentences([made.train.text(number)], segmenters[number % 2])
        assert words_of(made.train, number) == (alone.token_ids.tolist(), alone.word_starts.tolist())
    assert {chr(c) for c in range(0x4E00, 0x9FFF)} & set("".join(tokenizer.tokens)) or kind == "byte_bpe"
    other = build_corpus(text(file, languages=("kjv", "web")), tmp_path / "d", tokenizer=tokenizer, held_out=0)
    assert other.manifest.words == "pre-tokenizer" and other.manifest.language == "en"
    last = other.train.num_sentences - 1
    alone = tokenizer.encode_sentences([other.train.text(last)])
    assert words_of(other.train, last)[1] == alone.word_starts.tolist()


def test_a_side_without_a_token_takes_the_other_with_it(both: WordPiece, tmp_path: Path) -> None:
    given = [[("It rained.", "下雨了。"), ("\u200b\u200b", "她笑了。"), ("He bowed.", "他鞠躬。")], [("\u200b", "都")]]
    made = build_corpus(text(write_tsv(tmp_path / "p.tsv", given)), tmp_path / "c", tokenizer=both, held_out=0)
    assert pairs(made.train) == [[given[0][0], given[0][2]]]
    lost = made.manifest.dropped["pairs of which a side has no token"]
    assert (lost.count, lost.characters) == (2, 2 + 4 + 1 + 1)
    for number, sentence in enumerate(("It rained.", "下雨了。", "He bowed.", "他鞠躬。")):
        alone = both.encode_sentences([sentence], RjiebaSegmenter())
        assert words_of(made.train, number)[0] == alone.token_ids.tolist()
    counts = made.manifest.splits["train"]
    assert (counts.sentences, counts.tokens) == (4, made.train.num_tokens)


def test_any_number_of_workers_gives_the_same_bytes(
    documents: list[Document], both: WordPiece, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maskwright.corpus.parallel.UNIT_BYTES", (8192, 16384))
    file = write_tsv(tmp_path / "p.tsv", documents)
    for workers in (1, 2, 3):
        build_corpus(text(file), tmp_path / f"c{workers}", tokenizer=both, workers=workers, shard_tokens=3000)
    made = contents(tmp_path / "c1")
    assert made == contents(tmp_path / "c2") == contents(tmp_path / "c3")
    assert len({name.split("-")[1] for name in made if name.startswith("train-")}) > 3  # units


def test_stopped_in_the_middle_it_goes_on(
    documents: list[Document], both: WordPiece, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maskwright.corpus.parallel.UNIT_BYTES", (2048, 2048))
    file = write_tsv(tmp_path / "p.tsv", [document[:3] for document in documents[:9]])
    build_corpus(text(file), tmp_path / "whole", tokenizer=both)
    wanted = contents(tmp_path / "whole")
    for moment in range(1, 200, 6):
        count = [0]
        with monkeypatch.context() as patched:
            for name in ("fsync", "replace", "rename", "unlink"):
                patched.setattr(os, name, stopping_at(moment, getattr(os, name), count))
            try:
                build_corpus(text(file), tmp_path / f"c{moment}", tokenizer=both)
            except Stopped:
                pass
            else:
                break
        build_corpus(text(file), tmp_path / f"c{moment}", tokenizer=both)
        assert contents(tmp_path / f"c{moment}") == wanted
    assert 30 < moment < 199


def test_a_finished_one_is_known_again_and_a_pipe_can_be_read(
    documents: list[Document], both: WordPiece, tmp_path: Path
) -> None:
    file = write_tsv(tmp_path / "p.tsv", documents)
    made = build_corpus(text(file), tmp_path / "c", tokenizer=both)
    said: list[str] = []

    class Heard:
        def say(self, line: str) -> None:
            said.append(line)

    build_corpus(text(file), tmp_path / "c", tokenizer=both, progress=Heard())  # type: ignore[arg-type]
    assert "finished already" in said[0]
    with pytest.raises(BadInput, match="made with languages"):
        build_corpus(text(file, languages=("fr", "zh")), tmp_path / "c", tokenizer=both)
    os.mkfifo(tmp_path / "pipe")
    if os.fork() == 0:
        (tmp_path / "pipe").write_bytes(file.read_bytes())
        os._exit(0)
    piped = ParallelText([tmp_path / "pipe"], languages=("en", "zh"), shape="tsv")
    assert build_corpus(piped, tmp_path / "d", tokenizer=both).manifest.text == made.manifest.text


def test_a_file_that_tells_of_no_documents_is_cut_into_some(both: WordPiece, tmp_path: Path) -> None:
    given = [[(f"Sentence number {n} is here.", f"第{n}句在这里。") for n in range(6000)]]
    made = build_corpus(text(write_tsv(tmp_path / "p.tsv", given)), tmp_path / "c", tokenizer=both, held_out=0.2)
    assert made.held_out.num_documents == 1 and made.train.num_documents > 3
    found = [pair for part in (made.train, made.held_out) for document in pairs(part) for pair in document]
    assert sorted(found) == sorted(given[0])


def test_merged_and_split_they_stay_parallel(documents: list[Document], both: WordPiece, tmp_path: Path) -> None:
    parts = [write_tsv(tmp_path / f"{n}.tsv", documents[n::2]) for n in range(2)]
    one, other = (build_corpus(text(part), tmp_path / f"c{n}", tokenizer=both) for n, part in enumerate(parts))
    whole = merge([one.path, other.path], tmp_path / "m")
    halves = split(whole.path, [tmp_path / "h0", tmp_path / "h1"], [0.5, 0.5])
    for corpus in (whole, *halves):
        assert Corpus.open(corpus.path, verify="checksums").manifest.languages == ("en", "zh")
        Stream(corpus.train, TranslationPairs(cls_id=1, sep_id=2, max_sentence=None, max_length=512), seed=0)
    plain = build_corpus(text(parts[0], languages=("zh", "en")), tmp_path / "p", tokenizer=both)
    with pytest.raises(BadInput, match="another pair of languages"):
        merge([one.path, plain.path], tmp_path / "n")


def test_names_of_ordinary_corpora_are_as_they_were(documents: list[Document], both: WordPiece, tmp_path: Path) -> None:
    """A fingerprint is that of the format without languages; a manifest without them is read."""
    (tmp_path / "t.txt").write_text("\n\n".join("\n".join(en for en, _ in document) for document in documents))
    made = build_corpus([tmp_path / "t.txt"], tmp_path / "c", tokenizer=both)
    manifest = made.manifest
    shards = [[shard.file, shard.sha256] for shard in manifest.shards]
    content = json.dumps([2, both.fingerprint, "pre-tokenizer", shards])
    assert manifest.languages == () and made.fingerprint == hashlib.sha256(content.encode()).hexdigest()
    path = made.path / "manifest.json"
    before = {key: value for key, value in unsealed(path.read_bytes()).items() if key != "languages"}
    path.write_bytes(sealed(before))
    assert Corpus.open(made.path).manifest == manifest


def test_an_odd_number_of_sentences_is_no_parallel_corpus(
    documents: list[Document], both: WordPiece, tmp_path: Path
) -> None:
    made = build_corpus(text(write_tsv(tmp_path / "p.tsv", documents)), tmp_path / "c", tokenizer=both, held_out=0)
    (shard,) = made.manifest.shards
    shards = (shard.model_copy(update={"sentences": shard.sentences - 1}),)
    name = content_fingerprint(made.manifest.tokenizer.fingerprint, made.manifest.words, shards, ("en", "zh"))
    bad: Manifest = made.manifest.model_copy(update={"shards": shards, "fingerprint": name})
    (made.path / "manifest.json").write_bytes(manifest_bytes(bad))
    with pytest.raises(BadInput, match=r"train-00000-000.arrow has \d+ sentences, an odd number"):
        read_manifest(made.path)


def test_cleaning_that_could_part_pairs_is_refused(both: WordPiece, tmp_path: Path) -> None:
    file = write_tsv(tmp_path / "p.tsv", [[("a", "b")]])
    with pytest.raises(BadInput, match="could part the two sides"):
        build_corpus(text(file), tmp_path / "c", tokenizer=both, cleaning=CleaningConfig(min_line_characters=2))
    assert not (tmp_path / "c.partial").exists()


@pytest.mark.parametrize(
    ("content", "message"), [("a\t\n\tb\n", "no pair with two sides"), ("a\tb\nc\n", "p.tsv line 2 has no tab")]
)
def test_input_without_a_pair_leaves_nothing_behind(
    both: WordPiece, tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "p.tsv").write_text(content)
    with pytest.raises(BadInput, match=message):
        build_corpus(text(tmp_path / "p.tsv"), tmp_path / "c", tokenizer=both)
    assert sorted(os.listdir(tmp_path)) == ["p.tsv"]
