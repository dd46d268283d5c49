"""Reading shards: equality with plain Python over the same arrays, and damage found and named."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskwright.corpus.manifest import (
    Manifest,
    ShardEntry,
    SplitCounts,
    TokenizerEntry,
    content_fingerprint,
    manifest_bytes,
    read_manifest,
    sealed,
    unsealed,
)
from maskwright.corpus.read import Corpus, Split
from maskwright.corpus.shards import Shard, open_shard, shard_bytes
from maskwright.errors import BadInput


def drawn_shard(rng: np.random.Generator, documents: int, dtype: type = np.uint16) -> Shard:
    sentences = np.concatenate([[0], np.cumsum(rng.integers(1, 5, documents))])
    tokens = np.concatenate([[0], np.cumsum(rng.integers(1, 9, sentences[-1]))])
    return Shard(
        token_ids=rng.integers(0, 30000, tokens[-1]).astype(dtype),
        word_starts=rng.integers(0, 2, tokens[-1]).astype(np.uint8),
        sentence_offsets=tokens,
        document_offsets=sentences,
        names=[f"document {i} 第{i}回" for i in range(documents)],
        text=[f"sentence {i} 第{i}句" for i in range(int(sentences[-1]))],
        file="drawn",
    )


def write_corpus(folder: Path, shards: list[Shard]) -> Path:
    entries = []
    for i, shard in enumerate(shards):
        data = shard_bytes(shard).to_pybytes()
        (folder / f"train-{i:05d}-000.arrow").write_bytes(data)
        entries.append(
            ShardEntry(
                file=f"train-{i:05d}-000.arrow",
                size=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
                documents=len(shard.document_offsets) - 1,
                sentences=len(shard.sentence_offsets) - 1,
                tokens=len(shard.token_ids),
            )
        )
    manifest = Manifest(
        fingerprint=content_fingerprint("t", None, tuple(entries)),
        language="en",
        tokenizer=TokenizerEntry(fingerprint="t", vocab_size=30000),
        splits={
            "train": SplitCounts(tokens=sum(entry.tokens for entry in entries)),
            "held-out": SplitCounts(),
        },
        shards=tuple(entries),
    )
    (folder / "manifest.json").write_bytes(manifest_bytes(manifest))
    return folder


@pytest.fixture
def shards() -> list[Shard]:
    rng = np.random.default_rng(0)
    return [drawn_shard(rng, documents) for documents in (7, 1, 30)]


@pytest.fixture
def folder(tmp_path: Path, shards: list[Shard]) -> Path:
    return write_corpus(tmp_path, shards)


def test_three_shards_are_one_row(folder: Path, shards: list[Shard]) -> None:
    split = Corpus.open(folder, verify="checksums").train
    flat = np.concatenate([shard.token_ids for shard in shards])
    assert split.num_tokens == len(flat) == split.sentence_offsets[-1]
    assert split.num_documents == 38 and split.document_offsets[-1] == split.num_sentences
    for i in range(split.num_sentences):
        first, end = split.sentence_offsets[i : i + 2]
        assert split.sentence(i).tolist() == flat[first:end].tolist()
    text = [text for shard in shards for text in shard.text]
    assert [split.text(i) for i in range(split.num_sentences)] == text
    assert [sentence for d in range(38) for sentence in split.document_text(d)] == text
    names = [name for shard in shards for name in shard.names]
    assert [split.document_name(d) for d in range(38)] == names
    everything = split.gather(np.array([0]), np.array([split.num_tokens]))
    assert everything[0].tolist() == flat.tolist()
    assert everything[0].dtype == np.int64 and everything[1].dtype == np.uint8


def test_views_are_the_file_itself(folder: Path) -> None:
    shard = open_shard(folder / "train-00000-000.arrow")
    for view in shard[:4]:
        assert not view.flags.owndata and not view.flags.writeable


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_gather_equals_slices(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    parts = [drawn_shard(rng, int(n)) for n in rng.integers(1, 6, data.draw(st.integers(1, 5)))]
    split = Split(parts)
    flat = np.concatenate([part.token_ids for part in parts])
    words = np.concatenate([part.word_starts for part in parts])
    n = data.draw(st.integers(0, 12))
    starts = rng.integers(0, len(flat) + 1, n)
    lengths = (rng.random(n) ** data.draw(st.sampled_from([1, 8])) * (len(flat) - starts + 0.999)).astype(np.int64)
    if data.draw(st.booleans()):
        order = np.argsort(starts)
        starts, lengths = starts[order], lengths[order]
    token_ids, word_starts = split.gather(starts, lengths)
    want = [flat[s : s + k] for s, k in zip(starts, lengths, strict=True)]
    assert token_ids.tolist() == [int(t) for part in want for t in part]
    want = [words[s : s + k] for s, k in zip(starts, lengths, strict=True)]
    assert word_starts.tolist() == [int(t) for part in want for t in part]


def test_long_ranges_take_the_other_way_and_agree() -> None:
    rng = np.random.default_rng(1)
    split = Split([drawn_shard(rng, 400), drawn_shard(rng, 400)])
    starts = np.array([100, split.num_tokens - 3000, 0, 2500])
    long, _ = split.gather(starts, np.full(4, 3000))
    pieces = (starts[:, None] + np.arange(0, 3000, 10)).ravel()
    short, _ = split.gather(pieces, np.full(len(pieces), 10))
    assert (long == short).all()


@pytest.mark.parametrize(("start", "length"), [(-1, 1), (0, 10**9), (5, -1)])
def test_ranges_outside_are_refused(shards: list[Shard], start: int, length: int) -> None:
    with pytest.raises(IndexError, match="outside"):
        Split(shards).gather(np.array([start]), np.array([length]))


def test_an_empty_split_is_a_split() -> None:
    split = Split([])
    assert (split.num_documents, split.num_sentences, split.num_tokens) == (0, 0, 0)
    assert split.sentence_offsets.tolist() == [0] and split.document_offsets.tolist() == [0]
    assert split.gather(np.zeros(0, np.int64), np.zeros(0, np.int64))[0].tolist() == []
    with pytest.raises(IndexError):
        split.sentence(0)


def test_from_arrays_refuses_empty_sentences() -> None:
    with pytest.raises(BadInput, match="sentence"):
        Split.from_arrays(np.arange(3), np.ones(3), np.array([0, 2, 2, 3]), np.array([0, 3]))


def test_a_truncated_shard_is_found_by_its_size(folder: Path) -> None:
    file = folder / "train-00001-000.arrow"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BadInput, match="train-00001-000.arrow"):
        Corpus.open(folder)
    file.unlink()
    with pytest.raises(BadInput, match=r"train-00001-000.arrow is missing"):
        Corpus.open(folder)


def test_every_flipped_bit_is_found_by_checksums_and_never_crashes_without(folder: Path) -> None:
    file = folder / "train-00002-000.arrow"
    good = file.read_bytes()
    rng = np.random.default_rng(2)
    for position in rng.integers(0, len(good), 200):
        bad = bytearray(good)
        bad[position] ^= 1 << int(rng.integers(8))
        file.write_bytes(bytes(bad))
        with pytest.raises(BadInput, match=r"train-00002-000\.arrow"):
            Corpus.open(folder, verify="checksums")
        try:
            split = Corpus(folder, read_manifest(folder)).train
            assert split.sentence_offsets[-1] == split.num_tokens
            split.gather(np.array([0]), np.array([split.num_tokens]))
        except BadInput as error:
            assert "train-00002-000.arrow" in str(error) and "\n" not in str(error)


@pytest.mark.parametrize("cut", [0, 1, 100, 0.5, -1])
def test_truncated_shards_never_crash_unverified(folder: Path, cut: float) -> None:
    file = folder / "train-00000-000.arrow"
    good = file.read_bytes()
    file.write_bytes(good[: int(cut * len(good)) if isinstance(cut, float) else cut])
    with pytest.raises(BadInput, match=r"train-00000-000\.arrow"):
        Corpus(folder, read_manifest(folder)).train  # noqa: B018


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 99}, "format version 99"),
        ({"format": "other"}, "not the manifest"),
        ({"surprise": 1}, "surprise"),
        ({"language": 3}, "language"),
        ({"words": "rjieba"}, "fingerprint is not that"),
    ],
)
def test_a_foreign_manifest_is_one_line(folder: Path, change: dict[str, object], message: str) -> None:
    path = folder / "manifest.json"
    path.write_bytes(sealed(unsealed(path.read_bytes()) | change))
    with pytest.raises(BadInput, match=message) as caught:
        Corpus.open(folder)
    assert "\n" not in str(caught.value)


def test_a_manifest_names_no_file_outside(folder: Path) -> None:
    path = folder / "manifest.json"
    manifest = unsealed(path.read_bytes())
    manifest["shards"][0]["file"] = "../train-00000-000.arrow"
    path.write_bytes(sealed(manifest))
    with pytest.raises(BadInput, match=r"shards\.0\.file"):
        Corpus.open(folder)


@pytest.mark.parametrize("make", [lambda p: p / "nowhere", lambda p: p])
def test_what_is_no_corpus_is_refused(tmp_path: Path, make: object) -> None:
    with pytest.raises(BadInput, match="maskwright corpus"):
        Corpus.open(make(tmp_path))


def test_every_flipped_bit_of_a_manifest_is_found(folder: Path) -> None:
    path = folder / "manifest.json"
    good = path.read_bytes()
    assert read_manifest(folder).splits["train"].tokens
    rng = np.random.default_rng(3)
    for position, bit in zip(rng.permutation(len(good))[:400], rng.integers(0, 8, 400), strict=True):
        bad = bytearray(good)
        bad[position] ^= 1 << int(bit)
        path.write_bytes(bytes(bad))
        with pytest.raises(BadInput, match=r"manifest\.json") as caught:
            Corpus.open(folder)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["words", "characters", "unknown", "sentences", "documents"])
def test_an_edited_count_is_found(folder: Path, name: str) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["splits"]["train"][name] += 1
    path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    with pytest.raises(BadInput, match="its checksum does not match, it is damaged or was edited: restore it or build"):
        Corpus.open(folder)


@pytest.mark.slow
def test_others_open_the_shards(folder: Path, shards: list[Shard], monkeypatch: pytest.MonkeyPatch) -> None:
    """As docs/corpora.md shows it."""
    polars, datasets = pytest.importorskip("polars"), pytest.importorskip("datasets")
    import pyarrow as pa

    files = str(folder / "train-*.arrow")
    names = [name for shard in shards for name in shard.names]
    sentences = [len(shard.text) for shard in shards]
    tables = [pa.ipc.open_file(pa.memory_map(str(path))).read_all() for path in sorted(folder.glob("train-*.arrow"))]
    assert [name for table in tables for name in table["name"].to_pylist()] == names
    frame = polars.scan_ipc(files).collect()
    assert frame["name"].to_list() == names and frame["text"].list.len().sum() == sum(sentences)
    rows = datasets.load_dataset("arrow", data_files=files, split="train", cache_dir=str(folder / "cache"))
    assert rows["name"][:] == names
    assert rows[0]["token_ids"][0] == shards[0].token_ids[: shards[0].sentence_offsets[1]].tolist()


@pytest.mark.parametrize("several", [False, True])
def test_a_part_is_its_documents_one_by_one(folder: Path, several: bool) -> None:
    split = Corpus.open(folder).train
    if not several:
        split = Split.from_arrays(
            *split.gather(np.array([0]), np.array([split.num_tokens])), split.sentence_offsets, split.document_offsets
        )
    rng = np.random.default_rng(4)
    for _ in range(20):
        firsts = rng.integers(0, split.num_documents, 4)
        ends = firsts + rng.integers(0, split.num_documents - firsts + 1)
        part = split.part(firsts, ends)
        documents = [d for first, end in zip(firsts, ends, strict=True) for d in range(first, end)]
        wanted = [
            [split.sentence(s).tolist() for s in range(*split.document_offsets[d : d + 2].tolist())] for d in documents
        ]
        found = [
            [part.sentence(s).tolist() for s in range(*part.document_offsets[d : d + 2].tolist())]
            for d in range(part.num_documents)
        ]
        assert found == wanted
        bounds = split.part(firsts, ends, tokens=False)
        assert np.array_equal(bounds.sentence_offsets, part.sentence_offsets)
        assert np.array_equal(bounds.document_offsets, part.document_offsets)
        words = [
            split.gather(split.document_starts[[d]], np.diff(split.document_starts[d : d + 2]))[1] for d in documents
        ]
        assert np.array_equal(
            part.gather(np.array([0]), np.array([part.num_tokens]))[1], np.concatenate([*words, np.zeros(0, np.uint8)])
        )


def test_where_documents_begin_is_found_without_reading_all(folder: Path) -> None:
    split = Corpus.open(folder).train
    starts = split.sentence_offsets[split.document_offsets]
    assert np.array_equal(split.document_starts, starts)
    tokens = np.arange(split.num_tokens + 1)
    assert np.array_equal(split.document_from(tokens), np.searchsorted(starts, tokens))


def test_sentences_are_found_of_any_tokens_in_any_order(folder: Path) -> None:
    """Of all, one by one, backwards, and in stretches from random places, over the ends of shards."""
    split = Corpus.open(folder).train
    assert len(split.shards) > 1
    rng, every = np.random.default_rng(5), np.arange(split.num_tokens)
    begins, lengths = rng.integers(0, len(every), 60), rng.integers(1, 90, 60)
    stretches = np.concatenate([every[at : at + length] for at, length in zip(begins, lengths)])
    for tokens in (every, every[::-1], rng.permutation(every), stretches, every[:1], every[:0]):
        number, begin, end = split.sentences_at(tokens)
        assert np.array_equal(number, np.searchsorted(split.sentence_offsets, tokens, side="right") - 1)
        assert np.array_equal(begin, split.sentence_offsets[number])
        assert np.array_equal(end, split.sentence_offsets[number + 1])


def test_a_part_of_a_damaged_shard_names_it(folder: Path) -> None:
    file = folder / "train-00002-000.arrow"
    good = file.read_bytes()
    rng = np.random.default_rng(3)
    refused = 0
    for position in rng.integers(0, len(good), 300):
        bad = bytearray(good)
        bad[position] ^= 1 << int(rng.integers(8))
        file.write_bytes(bytes(bad))
        try:
            split = Corpus(folder, read_manifest(folder)).train
            split.document_from(np.arange(0, split.num_tokens, 3))
            part = split.part(np.arange(split.num_documents), np.arange(split.num_documents) + 1)
            assert part.num_tokens == part.sentence_offsets[-1]
        except BadInput as error:
            refused += 1
            assert "train-00002-000.arrow" in str(error) and "\n" not in str(error)
    assert refused > 5
