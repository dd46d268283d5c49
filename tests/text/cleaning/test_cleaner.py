"""The steps together: their order, their counts, and what is refused."""

import pickle
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.config import checked, plain, read_toml, write_toml
from maskwright.errors import BadInput
from maskwright.text.cleaning.account import Account
from maskwright.text.cleaning.changes import STEPS
from maskwright.text.cleaning.cleaner import Cleaner, CleaningConfig, versions
from maskwright.text.cleaning.duplicates import digest
from maskwright.text.cleaning.minhash import MinHash
from maskwright.text.samples import sample

EVERYTHING = CleaningConfig(
    mojibake=True,
    controls=True,
    unicode="NFC",
    width="letters",
    script="simplified",
    language="documents",
    min_line_characters=2,
    min_characters=8,
    repetition=True,
    duplicates="near",
)
LINES = st.lists(
    st.text(st.sampled_from("aB 1。，Ａ１ｶﾞ\u200b\ufffd\u00a0\te\u0301é語语\n\x00\ue000"), max_size=12), max_size=6
)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_without_steps_documents_stay_as_they_are(language: str) -> None:
    cleaner = Cleaner(CleaningConfig(), language)
    for document in sample(language)[::20]:
        assert cleaner(document.sentences) == (document.sentences, None, (), sum(map(len, document.sentences)))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_step_leaves_clean_chapters_nearly_as_they_are(language: str) -> None:
    cleaner = Cleaner(EVERYTHING, language)
    for document in sample(language)[::10]:
        cleaned = cleaner(document.sentences)
        assert cleaned.dropped is None
        assert sum(change.count for change in cleaned.changes) < 0.005 * cleaned.given


@given(LINES, st.sampled_from(["none", "NFC", "NFKC"]), st.sampled_from(["none", "letters", "all"]), st.booleans())
def test_what_is_left_has_no_empty_line_and_is_clean(
    lines: list[str], unicode: str, width: str, controls: bool
) -> None:
    config = CleaningConfig(unicode=unicode, width=width, controls=controls)  # type: ignore[arg-type]
    cleaner = Cleaner(config, "zh")
    cleaned = cleaner(lines)
    assert all(cleaned.lines) and bool(cleaned.lines) == (cleaned.dropped is None)
    if cleaned.lines and cleaned.changes:
        again = cleaner(cleaned.lines)
        assert again.lines == cleaned.lines and not again.changes
        assert [line.split() for line in cleaned.lines] == [line.split(" ") for line in cleaned.lines]
    if unicode != "none":
        assert all(unicodedata.is_normalized(unicode, line) for line in cleaned.lines)


EVERY_STEP = [Cleaner(EVERYTHING, "zh"), Cleaner(EVERYTHING.with_changes(controls=False, language="lines"), "en")]


@given(st.lists(st.text(st.characters())), st.sampled_from(EVERY_STEP))
def test_any_text_can_be_cleaned_digested_and_signed(lines: list[str], cleaner: Cleaner) -> None:
    """Halves of surrogate pairs too."""
    cleaned = cleaner(lines)
    assert all(cleaned.lines) and bool(cleaned.lines) == (cleaned.dropped is None)
    assert len(digest(lines)) == 16 and MinHash().signature(lines).shape == (120,)
    account = Account.of([cleaned])
    assert Account.model_validate_json(account.model_dump_json()) == account


def test_steps_run_in_their_order() -> None:
    """Mojibake is repaired before its controls go; a letter and its mark meet when what stood between has gone."""
    lines = ["ä½¿ç\x94¨ e\u200b\u0301 ＢＥＲＴ 語\ufffd", "x", "使用语言模型来预测下一个词。"]
    cleaned = Cleaner(EVERYTHING.with_changes(language="none", repetition=False), "zh")(lines)
    assert cleaned.lines == ("使用 é BERT 语", "使用语言模型来预测下一个词。")
    steps = [change.step for change in cleaned.changes]
    assert steps == ["mojibake", "replacement characters", "controls", "width", "unicode", "script", "line length"]
    assert steps == [step for step in STEPS if step in steps]


@pytest.mark.parametrize(
    ("changes", "lines", "dropped"),
    [
        ({"min_characters": 9}, ["It rained"[:8]], "length: 8 characters, fewer than 9"),
        ({"max_characters": 8}, ["It", "rained."], "length: 9 characters, more than 8"),
        ({"min_line_characters": 9}, ["It", "rained."], "line length: nothing is left"),
        ({"max_line_characters": 1}, ["It", "rained."], "line length: nothing is left"),
        ({"controls": True}, ["\u200b\u200b", "\x00"], "controls: nothing is left"),
        ({}, [], "empty: it holds no text"),
        ({}, ["", ""], "empty: it holds no text"),
        ({"repetition": True}, ["It rained."] * 5, "repetition: 0.80 of the lines stood before, more than 0.30"),
        ({"language": "documents"}, ["Es regnete den ganzen Tag, und niemand ging hinaus."], "language: it is de"),
        ({"language": "lines"}, ["Es regnete den ganzen Tag, und niemand ging hinaus."], "line language: nothing is"),
    ],
)
def test_a_document_goes_and_why(changes: dict[str, object], lines: list[str], dropped: str) -> None:
    cleaned = Cleaner(CleaningConfig(**changes), "en")(lines)  # type: ignore[arg-type]
    assert cleaned.lines == () and cleaned.dropped is not None and cleaned.dropped.startswith(dropped)
    assert cleaned.given == sum(map(len, lines))
    assert not cleaned.changes or cleaned.changes[-1].step == cleaned.dropped.partition(":")[0]


def test_lines_in_another_language_go_and_short_ones_stay() -> None:
    german = "Es regnete den ganzen Tag, und niemand ging hinaus."
    english = "It rained the whole day, and nobody went out of the house."
    cleaned = Cleaner(CleaningConfig(language="lines"), "en")([english, german, "Ja, ja."])
    assert cleaned.lines == (english, "Ja, ja.")
    assert [(change.step, change.count) for change in cleaned.changes] == [("line language", len(german))]


def test_the_config_travels_and_comes_back_from_toml(tmp_path) -> None:  # type: ignore[no-untyped-def]
    assert pickle.loads(pickle.dumps(EVERYTHING)) == EVERYTHING
    path = tmp_path / "cleaning.toml"
    path.write_text(write_toml(plain(EVERYTHING)), encoding="utf-8")
    assert checked(CleaningConfig, read_toml(path), "cleaning.toml") == EVERYTHING


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mojibakes": True}, "unknown key mojibakes .did you mean mojibake"),
        ({"unicode": "NFD"}, "unicode is 'NFD': must be 'none', 'NFC' or 'NFKC'"),
        ({"width": "full"}, "must be 'none', 'letters' or 'all'"),
        ({"script": "simple"}, "must be 'none', 'simplified' or 'traditional'"),
        ({"near_threshold": 1.5}, "near_threshold is 1.5: must be less than or equal to 1"),
        ({"near_threshold": -0.5}, "near_threshold is -0.5: must be greater than or equal to 0"),
        ({"near_threshold": float("nan")}, "near_threshold is nan"),
        ({"near_ngram": 0}, "near_ngram is 0"),
        ({"min_characters": -1}, "min_characters is -1"),
        ({"min_characters": 10, "max_characters": 9}, "max_characters 9 with min_characters 10 drops everything"),
        ({"max_line_characters": 0}, "max_line_characters 0 with min_line_characters 0 drops everything"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        checked(CleaningConfig, wrong, "cleaning")


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(BadInput, match="language 'fr' is not known: text is cleaned in en and zh"):
        Cleaner(CleaningConfig(), "fr")


def test_libraries_are_loaded_when_their_step_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("ftfy", "opencc", "py3langid.langid"):
        monkeypatch.setitem(sys.modules, library, None)
    Cleaner(CleaningConfig(controls=True, unicode="NFC", width="all", repetition=True), "zh")
    for changes in ({"mojibake": True}, {"script": "simplified"}, {"language": "lines"}):
        with pytest.raises(BadInput, match=r"pip install 'maskwright\[clean\]'"):
            Cleaner(CleaningConfig(**changes), "zh")  # type: ignore[arg-type]


def test_versions_name_what_the_outcome_depends_on() -> None:
    assert versions(CleaningConfig()) == {}
    assert set(versions(EVERYTHING)) == {"ftfy", "opencc", "py3langid", "unicodedata"}
    assert versions(EVERYTHING)["unicodedata"] == unicodedata.unidata_version
