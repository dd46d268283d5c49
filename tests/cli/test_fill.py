"""The verb fill: guesses for people and as JSON, from arguments and from standard input."""

import io
import json
import re
from pathlib import Path

import pytest

import maskwright as mw
import maskwright.cli.fill as verb
from maskwright.cli import main
from tests.checkpoints import made_up


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fill") / "model"
    made_up.folder(path)
    return path


def test_json_is_what_python_gets(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = ["Paris is the [MASK] of France.", "[MASK] and [MASK]", "中[MASK]人"]
    assert main(["fill", str(folder), *texts, "--top", "3", "--json"]) == 0
    captured = capsys.readouterr()
    expected = mw.load(folder).fill_many(texts, top=3)
    assert json.loads(captured.out) == [
        {"text": text, "masks": [[c._asdict() for c in mask] for mask in masks]} for text, masks in zip(texts, expected)
    ]
    assert captured.err == ""


def test_people_see_text_share_and_token(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fill", str(folder), "the [MASK] and the [MASK]", "--top", "2"]) == 0
    shown = capsys.readouterr().out
    best = mw.load(folder).fill("the [MASK] and the [MASK]", top=1)
    assert shown.startswith("the [MASK] and the [MASK]\n  [MASK] 1\n")
    for (candidate,) in best:
        assert f"{candidate.probability:.2%}  {candidate.token}" in shown


def rounded(shown: str) -> str:
    """Without the last digits of probabilities, which depend on the texts that share a batch."""
    return re.sub(r"\d\.\d{6,}(e-\d+)?", lambda found: f"{float(found[0]):.5f}", shown)


def given(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content), "utf-8"))


@pytest.mark.parametrize("part", [1, 2, 1024])
def test_lines_of_standard_input_are_as_texts_given(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    texts = ["a [MASK]", "the [MASK] cat\u2028", "[MASK] 中 [MASK]", "[MASK]", "é [MASK]"]
    for options in ([], ["--json"]):
        assert main(["fill", str(folder), *texts, *options]) == 0
        wanted = capsys.readouterr().out
        with monkeypatch.context() as patched:
            patched.setattr(verb, "LINES", part)
            given(patched, ("\n".join(texts) + "\n").encode())
            assert main(["fill", str(folder), *options]) == 0
        assert rounded(capsys.readouterr().out) == rounded(wanted)
    assert [entry["text"] for entry in json.loads(wanted)] == texts


def test_the_standard_input_is_read_in_parts(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "LINES", 2)
    monkeypatch.setattr("maskwright.text.opening._PIECE", 9)
    given(monkeypatch, b"a [MASK]\n" * 3 + b"caf\xe9 [MASK]\n")
    assert main(["fill", str(folder), "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.out.count("a [MASK]") == 2
    assert captured.err.count("\n") == 1 and "standard input is not UTF-8: byte 30 (0xe9, line 4)" in captured.err
    given(monkeypatch, b"a [MASK]\n" * 3 + b"b\n")
    assert main(["fill", str(folder), "--json"]) == 2
    assert "no [MASK] in 'b'" in (told := capsys.readouterr().err) and "counted from line 3" in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no mask"], "no [MASK] in 'no mask': write [MASK] where a word is to be guessed"),
        ([], "no text: give one"),
        (["a [MASK]", "--top", "0"], "top 0: choose 1 to 81"),
        (["[MASK]" * 70], "72 tokens with [CLS] and [SEP], the limit is 64"),
    ],
)
def test_what_cannot_be_filled_is_one_line_and_exit_code_2(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    given(monkeypatch, b"")
    assert main(["fill", str(folder), *arguments]) == 2
    captured = capsys.readouterr()
    assert words in captured.err and captured.err.count("\n") == 1 and captured.out == ""


def test_long_texts_are_cut_when_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fill", str(folder), "[MASK]" * 70, "--truncate", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)[0]["masks"]) == 62


def test_an_xlm_is_told_the_language(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made_up.folder(tmp_path / "xlm", ("mlm",), 0, "xlm", languages=("en", "zh"), n_langs=2)
    answers = {}
    for language in ("en", "0", "zh"):
        assert main(["fill", str(tmp_path / "xlm"), "the [MASK] sat", "--language", language, "--json"]) == 0
        answers[language] = capsys.readouterr().out
        assert main(["encode", str(tmp_path / "xlm"), "the cat", "--language", language]) == 0
        capsys.readouterr()
    assert answers["en"] == answers["0"] != answers["zh"]
    assert main(["fill", str(tmp_path / "xlm"), "the [MASK] sat", "--language", "fr"]) == 2
    assert "no language 'fr' (there are en, zh)" in capsys.readouterr().err
