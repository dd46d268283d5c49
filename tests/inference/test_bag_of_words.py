"""Bags of words beside scikit-learn's TfidfVectorizer, given the tokens that stock transformers makes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from safetensors.numpy import load_file
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

import maskwright as mw
from maskwright import draws
from maskwright.cli import main
from maskwright.corpus.read import Corpus, Split
from maskwright.errors import BadInput
from maskwright.training import bag_of_words
from maskwright.training.bag_of_words import document_counts
from tests.inference.static_models import pretrained, small_corpus

TEXTS = ["It is a truth universally acknowledged.", "She was, she was happy; was she?", "", "𓀀 unheard-of 𓀁"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def folder(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrained("bag_of_words", corpus, tmp_path_factory.mktemp("runs") / "run")


def theirs(corpus: Path, folder: Path, **settings: Any) -> TfidfVectorizer:
    """Fitted on the training documents; tokens are the stock tokenizer's."""
    stock = transformers.AutoTokenizer.from_pretrained(folder)

    def tokens(sentences: Any) -> list[str]:
        return [token for sentence in sentences for token in stock.tokenize(sentence)]

    train = Corpus.open(corpus).train
    vectorizer = TfidfVectorizer(analyzer=tokens, vocabulary=stock.get_vocab(), lowercase=False, **settings)
    return vectorizer.fit([train.document_text(i) for i in range(train.num_documents)])


@pytest.mark.parametrize(
    "settings",
    [{}, {"sublinear_tf": True}, {"norm": None}, {"norm": "l1"}, {"use_idf": False}],
    ids=str,
)
def test_equal_to_tfidf_vectorizer_to_the_last_bit(
    corpus: Path, folder: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    if settings:
        changes = [f"--model.{key}={str(value).lower()}" for key, value in settings.items()]
        folder = pretrained("bag_of_words", corpus, tmp_path / "run", *changes)
    vectorizer = theirs(corpus, folder, **settings)
    wanted = vectorizer.transform([[text] for text in TEXTS]).toarray().astype(np.float32)
    ours = mw.load(folder).encode(TEXTS)
    assert ours.shape == (4, 900) and ours.dtype == np.float32 and ours[0].any() and not ours[2].any()
    assert ours.tobytes() == wanted.tobytes()
    if settings.get("use_idf", True):
        assert load_file(folder / "model.safetensors")["idf"].tobytes() == vectorizer.idf_.tobytes()


def test_projected_bags_are_those_of_truncated_svd(corpus: Path, tmp_path: Path) -> None:
    folder = pretrained("bag_of_words", corpus, tmp_path / "run", "--model.dimensions", "5", "--training.seed", "3")
    vectorizer = theirs(corpus, folder)
    train = Corpus.open(corpus).train
    documents = vectorizer.transform([train.document_text(i) for i in range(train.num_documents)])
    svd = TruncatedSVD(5, random_state=draws.key(3, "directions") & 0x7FFF_FFFF).fit(documents)
    encoder = mw.load(folder)
    assert encoder.config.hidden_size == 5
    wanted = svd.transform(vectorizer.transform([[text] for text in TEXTS]))
    np.testing.assert_allclose(encoder.encode(TEXTS), wanted, atol=1e-6)
    # and they are what an exact decomposition finds
    _, exact, _ = np.linalg.svd(documents.toarray(), full_matrices=False)
    np.testing.assert_allclose(np.linalg.norm(documents @ encoder.components.T, axis=0)[:3], exact[:3], rtol=0.02)
    np.testing.assert_allclose(np.linalg.norm(encoder.encode(TEXTS[:2], normalize=True), axis=1), 1, atol=1e-6)
    again = pretrained("bag_of_words", corpus, tmp_path / "again", "--model.dimensions", "5", "--training.seed", "3")
    assert (again / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


def test_a_pair_is_the_bag_of_both_and_special_tokens_are_in_none(folder: Path) -> None:
    encoder = mw.load(folder)
    pair, joined = encoder.encode([("She was happy.", "He was not."), "She was happy. He was not."])
    assert (pair == joined).all()
    masked, plain = encoder.encode(["She was [MASK] happy.", "She was happy."])
    assert (masked == plain).all()
    assert encoder.encode(["𓀀"])[0, encoder.tokenizer.unk_id] == 1.0


def test_documents_are_counted_in_parts_as_at_once(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split: Split = Corpus.open(corpus).train
    whole = document_counts(split, 900, lambda _: None).toarray()
    monkeypatch.setattr(bag_of_words, "CHUNK", 2_500)
    told: list[int] = []
    assert (document_counts(split, 900, told.append).toarray() == whole).all()
    assert len(told) > 2 and sum(told) == split.num_tokens == whole.sum()
    ids, _ = split.gather(*(np.array([x]) for x in (0, int(split.sentence_offsets[split.document_offsets[1]]))))
    assert (whole[0] == np.bincount(ids, minlength=900)).all()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (lambda e: e.token_vectors(TEXTS), "a token by itself has no vector"),
        (lambda e: e.fill("a [MASK]"), "knows no order and so no place"),
        (lambda e: e.fill_many(["a [MASK]"]), "knows no order"),
        (lambda e: e.attention("a"), "no token looks at another"),
        (lambda e: e.score("a"), "so it judges no text"),
        (lambda e: e.rank("a [MASK]", ["b"]), "so it judges no text"),
        (lambda e: e.generate("a"), "it writes nothing on: let a GPT"),
        (lambda e: e.encode(TEXTS, "pooler"), "pooling 'pooler': .* nothing to pool"),
        (lambda e: e.in_language(0), "is told none"),
    ],
)
def test_what_it_cannot_do_is_refused_with_the_reason(folder: Path, asked: Any, told: str) -> None:
    with pytest.raises(BadInput, match=told) as caught:
        asked(mw.load(folder))
    assert "\n" not in str(caught.value)


def test_bad_settings_are_one_line_and_leave_nothing(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["pretrain", "bag_of_words", "--corpus", str(corpus), "--out", str(tmp_path / "run")]
    for more, told in (
        (["--model.dimensions", "800"], "model.dimensions 800: 11 training documents of 900 tokens span at most 10"),
        (["--model.norm", "max"], "model.norm"),
        (["--model.vocab_size", "901"], "model.vocab_size 901 is not the 900 tokens"),
        (["--size", "large"], "no size 'large'"),
        (["--training.steps", "5"], "training.steps"),
    ):
        capsys.readouterr()
        assert main([*line, *more]) == 2
        said = capsys.readouterr().err.splitlines()
        assert told in said[-1] and not (tmp_path / "run").exists()


def test_the_run_folder_has_what_every_run_has(folder: Path) -> None:
    run = folder.parent
    assert json.loads((run / "environment.json").read_text())["scikit-learn"]
    (line,) = (run / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["step"] == 1 and json.loads(line)["learning_rate"] is None
    assert "training documents" in (run / "report.html").read_text(encoding="utf-8")
    assert "bag" in (folder / "README.md").read_text(encoding="utf-8").lower()
