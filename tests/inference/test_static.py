"""word2vec as a finished model: the vectors gensim reads, the encoders' face, and what is refused and why."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gensim.models import KeyedVectors
from safetensors.numpy import load_file, save_file

import maskwright as mw
from maskwright.cli import main
from maskwright.errors import BadInput
from tests.inference.static_models import pretrained, small_corpus

TEXT = "It is a truth universally acknowledged, that a single man must be in want of a wife."


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def folder(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrained("word2vec", corpus, tmp_path_factory.mktemp("runs") / "run", "--size", "tiny")


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Any:
    return mw.load(folder)


@pytest.fixture(scope="module")
def keyed(folder: Path) -> Any:
    return KeyedVectors.load_word2vec_format(str(folder / "vectors.txt"))


def test_gensim_loads_the_same_vectors_to_the_last_bit(encoder: Any, keyed: Any) -> None:
    assert 300 < len(keyed) == int((encoder.counts > 0).sum()) and keyed.vector_size == encoder.config.hidden_size == 16
    for token in keyed.index_to_key:
        assert keyed[token].tobytes() == encoder.vectors[encoder.tokenizer.vocabulary.ids[token]].tobytes()
    counts = [int(encoder.counts[encoder.tokenizer.vocabulary.ids[token]]) for token in keyed.index_to_key]
    assert counts == sorted(counts, reverse=True)


def test_a_run_repeats_bit_for_bit(corpus: Path, folder: Path, tmp_path: Path) -> None:
    again = pretrained("word2vec", corpus, tmp_path / "run", "--size", "tiny")
    for name in ("model.safetensors", "vectors.txt", "config.json"):
        assert (again / name).read_bytes() == (folder / name).read_bytes(), name
    other = pretrained("word2vec", corpus, tmp_path / "other", "--size", "tiny", "--training.seed", "1")
    assert (other / "vectors.txt").read_bytes() != (folder / "vectors.txt").read_bytes()
    from_file = tmp_path / "from-file"
    assert main(["pretrain", str(folder.parent / "recipe.toml"), "--out", str(from_file)]) == 0
    assert (from_file / "model" / "vectors.txt").read_bytes() == (folder / "vectors.txt").read_bytes()


def test_the_run_folder_has_what_every_run_has(corpus: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = folder.parent
    environment = json.loads((run / "environment.json").read_text())
    assert environment["gensim"] and environment["corpus"] and environment["tokenizer"]
    (line,) = (run / "metrics.jsonl").read_text().splitlines()
    said = json.loads(line)
    assert said["step"] == 5 and said["learning_rate"] == pytest.approx(0.025e-4) and said["loss"] is None
    assert "Nearest neighbours" in (run / "report.html").read_text(encoding="utf-8")
    assert "word2vec" in (folder / "README.md").read_text(encoding="utf-8")
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert main(["pretrain", "word2vec", "--size", "tiny", "--corpus", str(corpus), "--out", str(run)]) == 0
    assert "finished already" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name != ".lock"}.keys() == before.keys()
    assert main(["pretrain", "word2vec", "--size", "100", "--corpus", str(corpus), "--out", str(run)]) == 2
    assert "run of another recipe" in capsys.readouterr().err


def test_a_text_is_the_mean_of_its_tokens(encoder: Any, keyed: Any) -> None:
    texts = [TEXT, ("She was happy.", "He was not."), "", "the"]
    found = encoder.encode(texts)
    assert found.shape == (4, 16) and found.dtype == np.float32
    for row, text in zip(found, texts, strict=True):
        known = [keyed[token] for token in encoder.tokenize(text) if token in keyed]
        np.testing.assert_allclose(row, np.mean(known, axis=0) if known else 0.0, atol=1e-6)
    lengths = np.linalg.norm(encoder.encode(texts, normalize=True), axis=1)
    np.testing.assert_allclose(lengths, [1, 1, 0, 1], atol=1e-6)
    assert (encoder.encode(TEXT) == found[:1]).all()


def test_a_token_has_one_vector_wherever_it_stands(encoder: Any) -> None:
    rows: list[np.ndarray[Any, Any]] = []
    for text in ("the man", "a man was in the house", "No man!"):
        tokens, (vectors,) = encoder.tokenize(text), encoder.token_vectors([text])
        assert vectors.shape == (len(tokens), 16)
        assert not vectors[0].any() and not vectors[-1].any()  # [CLS] and [SEP]
        rows.append(vectors[tokens.index("man")])
    assert (rows[0] == rows[1]).all() and (rows[0] == rows[2]).all() and rows[0].any()
    assert all((a == b).all() for a, b in zip(encoder.token_vectors(TEXT, 0), encoder.token_vectors(TEXT), strict=True))


def test_neighbours_are_gensims(encoder: Any, keyed: Any) -> None:
    for token in ("she", "mr", "was"):
        ours, theirs = encoder.similar(token, 8), keyed.most_similar(token, topn=8)
        assert [near.token for near in ours] == [name for name, _ in theirs]
        np.testing.assert_allclose([near.cosine for near in ours], [cosine for _, cosine in theirs], atol=1e-5)
    assert encoder.similar("She", 3) == encoder.similar("she", 3)  # a word that is one token


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (lambda e: e.fill("a [MASK]"), "knows no context: a token has the same vector wherever it stands"),
        (lambda e: e.fill_many(["a [MASK]"]), "knows no context"),
        (lambda e: e.attention(TEXT), "no token looks at another"),
        (lambda e: e.score("a"), "so it judges no text"),
        (lambda e: e.rank("a [MASK]", ["b"]), "so it judges no text"),
        (lambda e: e.generate("a"), "it writes nothing on: let a GPT"),
        (lambda e: e.in_language("zh"), "is told none"),
        (lambda e: e.encode([TEXT], "cls"), "pooling 'cls': .* take mean"),
        (lambda e: e.token_vectors([TEXT], 2), "layer 2: .* choose 0 or -1"),
        (lambda e: e.similar("unacknowledgeable"), r"'unacknowledgeable' is no token here but \d+ \(.*\): ask for one"),
        (lambda e: e.similar("she", 0), "top 0: choose 1 to"),
        (lambda e: e.encode([3]), "text 0 is 3: a text or a pair of texts was expected"),
    ],
)
def test_what_it_cannot_do_is_refused_with_the_reason(encoder: Any, asked: Any, told: str) -> None:
    with pytest.raises(BadInput, match=told) as caught:
        asked(encoder)
    assert "\n" not in str(caught.value)


def test_other_tokenizers(tmp_path: Path) -> None:
    for language, options in (("zh", {}), ("en", {"kind": "words"}), ("en", {"kind": "byte_bpe"})):
        place = tmp_path / f"{language}-{options.get('kind', '')}"
        place.mkdir()
        more = ("--size", "tiny", "--training.epochs", "1", "--training.architecture", "cbow")
        model = pretrained("word2vec", small_corpus(place, language, **options), place / "run", *more)
        encoder, text = mw.load(model), "玄德曰：此乃天意。" if language == "zh" else "She was happy."
        theirs = KeyedVectors.load_word2vec_format(str(model / "vectors.txt"))
        (rows,) = encoder.token_vectors([text])
        for token, row in zip(encoder.tokenize(text), rows, strict=True):
            wanted = theirs[token] if theirs.has_index_for(token) else np.zeros(16)
            assert (row == wanted).all()
        assert encoder.encode([text]).any()


def damaged(folder: Path, to: Path, change: Any) -> Path:
    to.mkdir()
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    change(to)
    return to


def config(**changes: Any) -> Any:
    def change(folder: Path) -> None:
        said = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({k: v for k, v in {**said, **changes}.items() if v is not None}))

    return change


def tensors(edit: Any) -> Any:
    def change(folder: Path) -> None:
        there = load_file(folder / "model.safetensors")
        edit(there)
        save_file(there, folder / "model.safetensors")

    return change


def not_finite(there: Any) -> None:
    there["vectors"][3, 3] = np.nan


BAD = [
    (config(hidden_size=17), r"vectors is float32 \(900, 16\), and config.json asks for float32 \(900, 17\)"),
    (config(hidden_size=None), "config.json: hidden_size"),
    (config(hidden_size=-1), "config.json: hidden_size"),
    (config(vocab_size=10**12), "config.json: vocab_size"),
    (config(colour="red"), "config.json: .*colour"),
    (tensors(lambda there: there.pop("counts")), "the tensor counts is missing"),
    (tensors(lambda there: there.update(more=there["counts"])), "the tensor more has no place"),
    (tensors(lambda there: there.update(vectors=there["vectors"].astype(np.float64))), "vectors is float64"),
    (tensors(not_finite), "not finite"),
    (lambda folder: (folder / "model.safetensors").write_bytes(b"\x80\x04."), "not a readable safetensors file"),
    (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors"),
    (lambda folder: (folder / "tokenizer.json").write_text("{}"), "tokenizer.json"),
]


@pytest.mark.parametrize(("change", "told"), BAD)
def test_a_damaged_folder_is_one_line(folder: Path, tmp_path: Path, change: Any, told: str) -> None:
    with pytest.raises(BadInput, match=told) as caught:
        mw.load(damaged(folder, tmp_path / "bad", change))
    assert "\n" not in str(caught.value)


def test_the_command_line_encodes_and_says_why_it_cannot_fill(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["encode", str(folder), TEXT, "another", "--out", str(tmp_path / "v.npy")]) == 0
    assert (np.load(tmp_path / "v.npy") == mw.load(folder).encode([TEXT, "another"])).all()
    capsys.readouterr()
    assert main(["fill", str(folder), "a [MASK]"]) == 2
    assert "knows no context" in (said := capsys.readouterr().err) and said.count("\n") == 1
    assert main(["encode", str(folder), TEXT, "--dtype", "bfloat16"]) == 2


def test_embeddings_of_bert_start_from_its_file(corpus: Path, folder: Path, tmp_path: Path) -> None:
    line = ["pretrain", "quick", "--corpus", str(corpus), "--out", str(tmp_path / "run"), "--training.steps", "1"]
    line += ["--model.hidden_size", "16", "--model.num_attention_heads", "2", "--model.intermediate_size", "16"]
    line += ["--training.batch_sequences", "2", "--optimizer.rate", "1e-9", "--optimizer.matrix_rate", "1e-9"]
    assert main([*line, "--start", str(folder / "vectors.txt")]) == 0
    started, static = mw.load(tmp_path / "run" / "model"), mw.load(folder)
    known = np.flatnonzero(static.counts > 0)
    centred = static.vectors[known] - static.vectors[known].mean(0)
    table = started.model.encoder.token_table.numpy()[known]
    np.testing.assert_allclose(table, centred * (0.05 / centred.std()), atol=1e-5)


def test_what_asks_for_steps_is_refused(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("plan", "show"):
        assert main([verb, "word2vec", "--corpus", str(corpus)]) == 2
        assert "recipe word2vec is learned in one go" in (said := capsys.readouterr().err) and said.count("\n") == 1
