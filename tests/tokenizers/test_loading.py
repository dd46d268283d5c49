"""Every kind is told by its files alone, and trained by its name."""

import json
from pathlib import Path

import pytest

from maskwright.errors import BadInput
from maskwright.text.samples import sample
from maskwright.tokenizers.loading import is_tokenizer, load_tokenizer, train
from maskwright.tokenizers.tokenizer import KINDS, Kind

TEXT = [sentence for language in ("en", "zh") for document in sample(language)[:20] for sentence in document.sentences]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_comes_back_from_each_of_its_files(kind: Kind, tmp_path: Path) -> None:
    made = train(kind, TEXT, 3000)
    assert made.kind == kind and made.vocab_size <= 3000
    made.save(tmp_path / "t")
    files = [name for name in ("tokenizer.json", "vocab.json", "vocab.txt") if (tmp_path / "t" / name).is_file()]
    for path in (tmp_path / "t", *(tmp_path / "t" / name for name in files)):
        loaded = load_tokenizer(path)
        assert type(loaded) is type(made) and loaded.fingerprint == made.fingerprint and is_tokenizer(path)
    text = [TEXT[0], TEXT[-1]]
    encoded = made.encode_sentences(text)
    for i, pair in enumerate(made.encode_pairs(text, special_in_text=False)):
        first, end = encoded.lengths[:i].sum(), encoded.lengths[: i + 1].sum()
        inside = pair.word_ids >= 0
        assert pair.ids[inside].tolist() == encoded.token_ids[first:end].tolist()
        steps = [int(b != a) for a, b in zip([-1, *pair.word_ids[inside]], pair.word_ids[inside])]
        assert steps == encoded.word_starts[first:end].tolist()
        for token, (begin, end) in zip(pair.tokens, pair.offsets.tolist(), strict=True):
            assert 0 <= begin <= end <= len(text[i]) and (token in made.vocabulary.special or begin < end)


@pytest.mark.parametrize("kind", KINDS)
def test_truncation_and_its_message_know_the_layout(kind: Kind) -> None:
    made = train(kind, TEXT, 3000)
    whole = made.encode_pair(TEXT[0], TEXT[1])
    short = made.encode_pair(TEXT[0], TEXT[1], max_length=9, truncate=True)
    assert len(short.ids) == 9
    around = [token for token, word in zip(short.tokens, short.word_ids) if word < 0]
    assert around == [token for token, word in zip(whole.tokens, whole.word_ids) if word < 0]
    with pytest.raises(BadInput, match=f"{len(whole.ids)} tokens.*limit is 9"):
        made.encode_pair(TEXT[0], TEXT[1], max_length=9)


def test_lower_case_is_refused_where_text_is_kept() -> None:
    with pytest.raises(BadInput, match="byte_bpe keeps text"):
        train("byte_bpe", TEXT, 1000, lowercase=True)
    with pytest.raises(BadInput, match="'bpm' is not known"):
        train("bpm", TEXT, 1000)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (None, None, "has no tokenizer"),
        ("nowhere", None, "no file or folder"),
        ("tokenizer.json", {"model": {"type": "Bigram"}}, "'Bigram' is not known"),
        ("tokenizer.json", {"model": {"type": "os.system"}}, "'os.system' is not known"),
        ("tokenizer.json", {}, "not BERT's"),
        ("vocab.json", {"a": 0}, "merges.txt is missing"),
        ("x.model", {}, "SentencePiece"),
    ],
)
def test_what_is_no_tokenizer(tmp_path: Path, name: str | None, content: object, message: str) -> None:
    path = tmp_path / name if name else tmp_path
    if content is not None:
        path.write_text(json.dumps(content))
    with pytest.raises(BadInput, match=message) as caught:
        load_tokenizer(path)
    assert "\n" not in str(caught.value)
