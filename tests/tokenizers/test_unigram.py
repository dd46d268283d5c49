"""Unigram against SentencePiece, which makes the models, against `tokenizers`, and against transformers."""

import base64
import io
import json
import os
import re
import struct
import subprocess
import sys
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Library
from tokenizers.pre_tokenizers import BertPreTokenizer

from maskwright.errors import BadInput
from maskwright.text.samples import sample
from maskwright.text.words import RjiebaSegmenter
from maskwright.tokenizers.sentencepiece_model import check_charsmap, parse_model
from maskwright.tokenizers.unigram import Unigram

sentencepiece = pytest.importorskip("sentencepiece")
MODELS = Path(os.environ.get("SENTENCEPIECE_MODELS", "shared/sentencepiece"))  # of sentencepiece 0.1.99's own tests


def lines(language: str) -> list[str]:
    return [sentence for document in sample(language) for sentence in document.sentences]


BOTH = [*lines("en")[:3000], *lines("zh")[:3000]]


def made_by_sentencepiece(**options: Any) -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(BOTH), model_writer=model, vocab_size=3000, minloglevel=2, num_threads=4, **options
    )
    return model.getvalue()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plain") / "plain.model"
    path.write_bytes(made_by_sentencepiece(model_type="unigram"))
    return path


@pytest.fixture(scope="module")
def xlm_roberta(plain: Path) -> Unigram:
    path = plain.parent / "xlm-roberta" / "sentencepiece.bpe.model"
    path.parent.mkdir()
    path.write_bytes(plain.read_bytes())
    return Unigram.load(path.parent)


@pytest.fixture(scope="module")
def albert() -> Unigram:
    return Unigram.train(BOTH, 3000)


@pytest.fixture(scope="module")
def xlnet() -> Unigram:
    return Unigram.train(BOTH, 3000, style="xlnet")


def assert_equal_to_sentencepiece(path: Path, texts: list[str]) -> None:
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    encoded = Unigram.load(path).encode_sentences(texts)
    wanted = processor.encode(texts)
    assert encoded.lengths.tolist() == list(map(len, wanted))
    assert encoded.token_ids.tolist() == [i for row in wanted for i in row]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_ids_equal_sentencepieces_on_real_lines(plain: Path, language: str) -> None:
    assert_equal_to_sentencepiece(plain, lines(language)[3000:6000])


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_ids_equal_sentencepieces_on_100000_real_lines(plain: Path, language: str) -> None:
    clauses = [part for line in lines(language) for part in re.split(r"(?<=[,;:，、：])", line) if part]
    clauses = list(dict.fromkeys([*clauses, *lines(language)]))[:100_000]
    assert len(clauses) == 100_000
    assert_equal_to_sentencepiece(plain, clauses)


@pytest.mark.parametrize(("name", "language"), [("test_model.model", "en"), ("test_ja_model.model", "zh")])
def test_published_models_are_read(name: str, language: str) -> None:
    if not (MODELS / name).is_file():
        pytest.skip(f"needs {name} from the tests of sentencepiece 0.1.99 in {MODELS}")
    texts = [*lines(language)[:2000], "吾輩は猫である。名前はまだ無い。", "ＡＢＣ　１２３ ㌔"]
    assert_equal_to_sentencepiece(MODELS / name, texts)


def library_of(tokenizer: Unigram) -> Library:
    """The library's own tokenizer, from the file we save, without special tokens."""
    data = json.loads(tokenizer.files()["tokenizer.json"])
    return Library.from_str(json.dumps({**data, "added_tokens": [], "post_processor": None}))


def assert_equal_to(library: Library, tokenizer: Unigram, texts: list[str]) -> None:
    encoded = tokenizer.encode_sentences(texts)
    wanted = library.encode_batch(texts, add_special_tokens=False)
    assert encoded.lengths.tolist() == [len(row.ids) for row in wanted]
    assert encoded.token_ids.tolist() == [i for row in wanted for i in row.ids]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_ids_equal_the_librarys_on_real_lines(
    albert: Unigram, xlnet: Unigram, xlm_roberta: Unigram, language: str
) -> None:
    for tokenizer in (albert, xlnet, xlm_roberta):
        assert_equal_to(library_of(tokenizer), tokenizer, lines(language)[3000:7000])


odd = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from(
        "aAzé1,² \t\n\r，。,.'`\"sT-_中文语𠀀\u0301\u0308\u200d\u200b"
        "\u3000\u00a0\u00a8½ﬁ\u2028\u0085ßİΣ가がﾞ\ufffd\0🙂\u2581\u0600"
    ),
)


@given(st.lists(st.text(odd, max_size=30), max_size=5))
@settings(max_examples=400)
def test_ids_equal_the_librarys_on_any_text(albert: Unigram, xlnet: Unigram, drawn: list[str]) -> None:
    for tokenizer in (albert, xlnet):
        assert_equal_to(tokenizer._plain, tokenizer, drawn)


chinese_text = st.text(st.sampled_from("".join(lines("zh")[:20]) + "''``\u0301\ufe00豈 、。a"), max_size=60)


@given(
    pieces=st.dictionaries(st.text("一丁七，。豈a", min_size=2, max_size=4), st.integers(-9, -1), max_size=20),
    drawn=st.lists(st.text("一丁七万，。豈a\u0301 ", max_size=30), max_size=5),
    charsmap=st.booleans(),
)
@settings(max_examples=200)
def test_cuts_between_characters_change_no_piece(
    albert: Unigram, pieces: dict[str, int], drawn: list[str], charsmap: bool
) -> None:
    single = dict.fromkeys("▁一丁七，,。豈a", -10)
    scored = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), *((p, float(s)) for p, s in {**single, **pieces}.items())]
    tokenizer = Unigram(scored, albert._parts.charsmap if charsmap else b"")
    assert_equal_to(tokenizer._plain, tokenizer, drawn)


@given(st.lists(chinese_text, max_size=5))
def test_ids_equal_the_librarys_on_drawn_chinese(albert: Unigram, drawn: list[str]) -> None:
    assert_equal_to(albert._plain, albert, drawn)


@given(st.text(odd, max_size=40), st.booleans())
@settings(max_examples=300)
def test_word_ids_never_cut_a_word_and_join_two_only_through_one_piece(
    albert: Unigram, text: str, segmented: bool
) -> None:
    """Offsets are the library's, words those of BERT, as the tests below see them."""
    normalize = albert._plain.normalizer.normalize_str
    text = "".join(c for c in text if normalize(c))  # what is dropped confuses the library's offsets
    segmenter = RjiebaSegmenter() if segmented else None
    encoded = albert.encode_sentences([text], segmenter)
    spans = albert.encode_pair(text, special_in_text=False).offsets[1:-1].tolist()
    begins = word_begins(albert, text)
    if segmenter is not None:
        of_segmenter = {begin for begin, _ in segmenter.spans(text)}
        begins -= {i for i in begins if i and chinese(text[i]) and chinese(text[i - 1]) and i not in of_segmenter}
    reached, several = 0, 0
    for k, ((begin, end), start) in enumerate(zip(spans, encoded.word_starts.tolist(), strict=True)):
        fresh = k == 0 or begin >= reached
        if begin in begins and fresh:
            assert start == 1
        if start:
            assert k == 0 or begin in begins
        several += any(begin < i < end for i in begins)
        reached = max(end, begin + 1)
    assert encoded.joined.tolist() == [several]


@given(st.text(odd, max_size=40))
def test_pairs_have_the_words_of_sentences(albert: Unigram, text: str) -> None:
    words = albert.encode_pair(text, special_in_text=False).word_ids[1:-1]
    assert (np.diff(words, prepend=-1) != 0).tolist() == (albert.encode_sentences([text]).word_starts == 1).tolist()


def chinese(character: str) -> bool:
    return (
        0x4E00 <= ord(character) <= 0x9FFF
        or 0x3400 <= ord(character) <= 0x4DBF
        or ord(character) in range(0x20000, 0x2CEB0)
        or character == "豈"
    )


def word_begins(tokenizer: Unigram, text: str) -> set[int]:
    points = np.frombuffer((text + "\n").encode("utf-32-le"), dtype=np.uint32)
    at, _ = tokenizer._words.find(points, np.array([len(text)]))
    return set(np.flatnonzero(tokenizer._words.begin_words(points, at)).tolist())


@given(st.text(st.sampled_from("aé1 \t中文。,'-(½\u3000"), max_size=30))
def test_words_are_those_of_berts_pre_tokenizer(albert: Unigram, text: str) -> None:
    begins = {begin for _, (begin, _) in BertPreTokenizer().pre_tokenize_str(text)}
    begins |= {i for i in range(len(text)) if chinese(text[i])}
    begins |= {i for i in range(1, len(text)) if chinese(text[i - 1]) and not text[i].isspace()}
    assert word_begins(albert, text) == begins


def test_words_are_berts(albert: Unigram) -> None:
    text = "don't (well-known) ½ and 使用语言模型来预测下一个词的probability。"
    begins = word_begins(albert, text)
    cuts = sorted(begins | {len(text)})
    words = [text[a:b].strip() for a, b in pairwise(cuts)]
    assert words == [
        *["don", "'", "t", "(", "well", "-", "known", ")", "½", "and"],
        *"使用语言模型来预测下一个词的",
        "probability",
        "。",
    ]


@pytest.mark.parametrize("style", ["albert", "xlnet"])
def test_text_is_prepared_as_published(style: Any, albert: Unigram, xlnet: Unigram) -> None:
    """zihangdai/xlnet, prepro_utils.py: `preprocess_text`, then `encode_pieces` over SentencePiece."""
    tokenizer = {"albert": albert, "xlnet": xlnet}[style]
    processor = sentencepiece.SentencePieceProcessor(model_proto=as_model(tokenizer))

    def published(text: str) -> list[str]:
        text = " ".join(text.strip().split()).replace("``", '"').replace("''", '"')
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
        found: list[str] = []
        for piece in processor.encode(text.lower() if style == "albert" else text, out_type=str):
            if len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit():
                parts = processor.encode(piece[:-1].replace("▁", ""), out_type=str)
                if piece[0] != "▁" and parts[0][0] == "▁":
                    parts = parts[1:] if len(parts[0]) == 1 else [parts[0][1:], *parts[1:]]
                found += [*parts, ","]
            else:
                found.append(piece)
        return found

    texts = [*lines("en")[3000:4000], *lines("zh")[3000:3500], "In 1,000 of 12,345, `` quoted ''", "Élodie naïve"]
    for text in texts:
        wanted = [tokenizer.vocabulary.ids.get(piece, tokenizer.unk_id) for piece in published(text)]
        assert tokenizer.encode_sentences([text]).token_ids.tolist() == wanted


def as_model(tokenizer: Unigram) -> bytes:
    """The pieces as a SentencePiece model again: its protobuf, written by hand."""

    def field(number: int, data: bytes) -> bytes:
        return varint(number << 3 | 2) + varint(len(data)) + data

    data = b""
    for piece, score in tokenizer._parts.scored:
        kind = 2 if piece == "<unk>" else 3 if piece in tokenizer.vocabulary.special else 1
        data += field(1, field(1, piece.encode()) + b"\x15" + struct.pack("<f", score) + bytes([0x18, kind]))
    unk = varint(40 << 3) + varint(tokenizer.vocabulary.ids["<unk>"])
    none = b"".join(varint(number << 3) + varint(2**64 - 1) for number in (41, 42, 43))
    return data + field(2, bytes([0x18, 1]) + unk + none) + field(3, field(2, tokenizer._parts.charsmap))


def varint(value: int) -> bytes:
    data = b""
    while value >= 0x80:
        data += bytes([value & 0x7F | 0x80])
        value >>= 7
    return data + bytes([value])


@pytest.mark.parametrize("style", ["albert", "xlnet", "xlm_roberta"])
def test_transformers_loads_what_we_save(
    style: Any, albert: Unigram, xlnet: Unigram, xlm_roberta: Unigram, tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = {"albert": albert, "xlnet": xlnet, "xlm_roberta": xlm_roberta}[style]
    tokenizer.save(tmp_path / "t")
    stock = transformers.AutoTokenizer.from_pretrained(tmp_path / "t")
    assert len(stock) == tokenizer.vocab_size and stock.mask_token_id == tokenizer.mask_id
    texts = [*lines("en")[:200], *lines("zh")[:200], "Élan naïve ``quoted''", "", "12,345"]
    wanted = stock(texts, texts[::-1], return_token_type_ids=True)
    ours = tokenizer.encode_pairs(list(zip(texts, texts[::-1], strict=True)))
    assert [row.ids.tolist() for row in ours] == wanted["input_ids"]
    assert [row.type_ids.tolist() for row in ours] == wanted["token_type_ids"]
    text = f"She {tokenizer.id_to_token(tokenizer.mask_id or 0)} him"
    assert tokenizer.encode_pair(text).ids.tolist() == stock(text)["input_ids"]


def test_xlm_roberta_has_fairseqs_ids(xlm_roberta: Unigram, plain: Path, tmp_path: Path) -> None:
    """Conneau et al.'s dictionary: four special tokens in front, the pieces of the model from its fourth on, <mask>."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(plain))
    texts = [*lines("en")[3000:3300], *lines("zh")[3000:3300]]
    wanted = [[piece + 1 if piece else 3 for piece in row] for row in processor.encode(texts)]
    assert xlm_roberta.encode_sentences(texts).token_ids.tolist() == [i for row in wanted for i in row]
    assert xlm_roberta.mask_id == processor.get_piece_size() + 1 == xlm_roberta.vocab_size - 1


def test_transformers_xlm_roberta_saves_what_we_load(xlm_roberta: Unigram, plain: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    charsmap = json.loads(xlm_roberta.files()["tokenizer.json"])["normalizer"]["normalizers"][-1]
    vocab = [tuple(pair) for pair in xlm_roberta._parts.scored]
    stock = transformers.XLMRobertaTokenizer(
        vocab=vocab, _spm_precompiled_charsmap=base64.b64decode(charsmap["precompiled_charsmap"])
    )
    stock.save_pretrained(tmp_path / "stock")
    ours = Unigram.load(tmp_path / "stock")
    assert ours.fingerprint == xlm_roberta.fingerprint
    pairs = list(zip(lines("en")[3000:3200], lines("zh")[3000:3200], strict=True))
    assert [row.ids.tolist() for row in ours.encode_pairs(pairs)] == stock(*map(list, zip(*pairs)))["input_ids"]


def test_a_spiece_model_under_xlm_robertas_name_is_refused(albert: Unigram, tmp_path: Path) -> None:
    (tmp_path / "sentencepiece.bpe.model").write_bytes(as_model(albert))
    with pytest.raises(BadInput, match="begins with <pad> <unk> .*rename it to spiece.model"):
        Unigram.load(tmp_path)


def test_offsets_equal_the_librarys(albert: Unigram) -> None:
    library = Library.from_str(albert.files()["tokenizer.json"].decode())
    for text in [*lines("en")[:300], *lines("zh")[:300], "  Élan\t½ b\n c"]:
        ours, theirs = albert.encode_pair(text), library.encode(text)
        assert ours.ids.tolist() == theirs.ids
        assert [tuple(span) for span in ours.offsets.tolist()] == theirs.offsets
        starts = albert.encode_sentences([text]).word_starts
        assert (np.diff(ours.word_ids[1:-1], prepend=-1) > 0).tolist() == starts.astype(bool).tolist()


def test_special_tokens_in_a_text_are_text_unless_wanted(albert: Unigram, xlnet: Unigram) -> None:
    for tokenizer in (albert, xlnet):
        text = "She " + " ".join(tokenizer.vocabulary.special) + " him ＜mask＞［SEP］"
        marks = [i for i in tokenizer.special_ids if i != tokenizer.unk_id]
        assert not np.isin(tokenizer.encode_sentences([text]).token_ids, marks).any()
        bare = tokenizer.encode_pairs([text], special_in_text=False)[0]
        assert sum(np.isin(bare.ids, marks)) == len(tokenizer.encode_pair("").ids)
        assert (tokenizer.encode_pair(text).ids == tokenizer.mask_id).any()


def test_unknown_text_is_named(albert: Unigram) -> None:
    unknown: list[tuple[int, str]] = []
    albert.encode_sentences(["a 𠀀𠀁 b", "plain", "x🙂y 𠀀"], unknown=unknown)
    assert unknown == [(0, "𠀀𠀁"), (2, "🙂"), (2, "𠀀")]


TRAIN = """
from maskwright.text.samples import sample
from maskwright.tokenizers.unigram import Unigram
text = [s for language in ("en", "zh") for d in sample(language)[::6] for s in d.sentences]
print(Unigram.train(iter(text), 3000).fingerprint)
"""


def test_training_gives_the_same_vocabulary_in_every_process() -> None:
    found = set()
    for seed in ("0", "1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run([sys.executable, "-c", TRAIN], env=environment, capture_output=True, text=True, check=True)
        found.add(run.stdout)
    assert len(found) == 1


def test_files_come_back_equal(
    albert: Unigram, xlnet: Unigram, xlm_roberta: Unigram, plain: Path, tmp_path: Path
) -> None:
    for name, tokenizer in (("a", albert), ("x", xlnet), ("r", xlm_roberta), ("p", Unigram.load(plain))):
        tokenizer.save(tmp_path / name)
        assert Unigram.load(tmp_path / name).fingerprint == tokenizer.fingerprint
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "spiece.model").write_bytes(as_model(albert))
    again = Unigram.load(tmp_path / "m")
    assert again.tokens == albert.tokens and again.options == albert.options


def changed(path: Path, *keys: str | int, to: Any) -> None:
    data = json.loads(path.read_text())
    inner = data
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = to
    path.write_text(json.dumps(data))


FOREIGN: list[tuple[tuple[str | int, ...], Any]] = [
    (("model", "type"), "BPE"),
    (("model", "byte_fallback"), True),
    (("model", "unk_id"), 0),
    (("model", "unk_id"), None),
    (("model", "vocab"), {}),
    (("model", "vocab", 7), ["▁the"]),
    (("model", "vocab", 7), ["▁the", float("nan")]),
    (("model", "vocab", 7), ["▁the", float("-inf")]),
    (("model", "vocab", 7), ["▁of▁the", -3.0]),
    (("model", "vocab", 7), ["[MASK]", -3.0]),
    (("model", "vocab", 7), ["\ud800", -3.0]),
    (("model", "vocab", 4), ["[MASQUE]", 0.0]),
    (("normalizer", "normalizers", 0), {"type": "Replace", "pattern": {"Regex": "^(a+)+$"}, "content": ""}),
    (("normalizer", "normalizers", 5, "precompiled_charsmap"), "AAAA"),
    (("normalizer", "normalizers", 5, "precompiled_charsmap"), "no base64!"),
    (("normalizer",), {"type": "BertNormalizer"}),
    (("normalizer",), {"type": "Sequence", "normalizers": 3}),
    (("pre_tokenizer",), {"type": "Split", "pattern": {"Regex": "^(a+)+$"}, "behavior": "Isolated", "invert": False}),
    (("pre_tokenizer", "pretokenizers", 1, "replacement"), "_"),
    (("pre_tokenizer", "pretokenizers", 1, "prepend_scheme"), "never"),
    (("post_processor", "single"), []),
    (("decoder",), {"type": "ByteLevel"}),
    (("added_tokens", 0, "content"), "<extra>"),
]


@pytest.mark.parametrize(("keys", "value"), FOREIGN)
def test_what_is_not_unigrams_is_refused(
    albert: Unigram, tmp_path: Path, keys: tuple[str | int, ...], value: Any
) -> None:
    albert.save(tmp_path / "t")
    changed(tmp_path / "t" / "tokenizer.json", *keys, to=value)
    with pytest.raises(BadInput) as caught:
        Unigram.load(tmp_path / "t")
    assert "tokenizer.json" in str(caught.value) and "\n" not in str(caught.value)


def test_a_model_cut_short_anywhere_is_refused_or_lacks_only_what_is_optional(plain: Path) -> None:
    data = plain.read_bytes()
    wanted = parse_model(data, "whole")
    for size in [*range(200), *range(200, len(data), 997), len(data) - 1]:
        try:
            found = parse_model(data[:size], "cut")
        except BadInput as error:
            assert str(error).startswith("cut") and "\n" not in str(error)
        else:
            assert found.pieces == wanted.pieces[: len(found.pieces)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no pieces"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "cut short"),
        (b"\x0a" + b"\xff" * 11, "more than ten bytes"),
        (b"\x0b\x00", "begins no field"),
        (b"\x0a\x06\x0a\x01a\x15\x00\x00\x80", "cut short"),
        (b"\x0a\x03\x0a\x01\xff", "not UTF-8"),
        (b"\x0a\x08\x0a\x01a\x15\x00\x00\xc0\x7f", "score nan"),
        (b"\x0a\x05\x0a\x01a\x18\x63", "type 99"),
        (b"\x0a\x03\x0a\x01a", "0 pieces are the unknown one"),
        (b"\x08\x05", "not of its type|no pieces"),
    ],
)
def test_what_is_no_model(data: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse_model(data, "it")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model_type": "bpe"}, "not Unigram"),
        ({"model_type": "unigram", "byte_fallback": True}, "fallback to bytes"),
        ({"model_type": "unigram", "add_dummy_prefix": False}, "space in front"),
        ({"model_type": "unigram", "control_symbols": ["<ctrl>"]}, "<ctrl>"),
        ({"model_type": "unigram", "unk_piece": "<?>"}, "<unk> missing"),
        ({"model_type": "unigram", "split_by_whitespace": False}, "reaches over white space"),
    ],
)
def test_models_of_another_make(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "m.model").write_bytes(made_by_sentencepiece(**options))
    with pytest.raises(BadInput, match=message):
        Unigram.load(tmp_path / "m.model")


@given(st.data())
@settings(max_examples=200)
def test_damaged_rules_are_refused_or_harmless(albert: Unigram, data: st.DataObject) -> None:
    """The library panics where a walk leaves the rules; what we let through never does."""
    from tokenizers import normalizers

    rules = bytearray(albert._parts.charsmap)
    for _ in range(data.draw(st.integers(1, 30))):
        rules[data.draw(st.integers(0, len(rules) - 1))] = data.draw(st.integers(0, 255))
    try:
        check_charsmap(bytes(rules), "rules")
    except BadInput:
        return
    normalizers.Precompiled(bytes(rules)).normalize_str("ﬁ ½ Ⅷ ㌔ がＡ " + data.draw(st.text(odd, max_size=30)))


@pytest.mark.parametrize(("texts", "size"), [([], 100), (["abc"], 10_000_000), (["abc abc"] * 10, 3)])
def test_training_on_too_little_is_refused_or_gives_less(texts: list[str], size: int) -> None:
    try:
        assert Unigram.train(texts, size).vocab_size < 20
    except BadInput as error:
        assert "no Unigram vocabulary" in str(error) and "\n" not in str(error)
