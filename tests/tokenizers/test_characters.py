"""Characters against a transcript of bilm-tf's rule, and against the `tokenizers` library."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Library

from maskwright.errors import BadInput
from maskwright.text.samples import sample
from maskwright.text.words import RjiebaSegmenter
from maskwright.tokenizers.characters import Characters, character_ids, character_rows


def bilm(word: str, most: int) -> list[int]:
    """allenai/bilm-tf, bilm/data.py, UnicodeCharsVocabulary._convert_word_to_char_ids."""
    code = np.zeros([most], dtype=np.int32)
    code[:] = 260
    word_encoded = word.encode("utf-8", "ignore")[: (most - 2)]
    code[0] = 258
    for k, chr_id in enumerate(word_encoded, start=1):
        code[k] = chr_id
    code[len(word_encoded) + 1] = 259
    return code.tolist()


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=6), st.sampled_from([50, 3, 7])
)
def test_rows_are_those_of_bilm(words: list[str], most: int) -> None:
    assert character_ids(words, most).tolist() == [bilm(word, most) for word in words]


def test_rows_of_a_text_are_those_of_its_words() -> None:
    segmenter = RjiebaSegmenter()
    for document, cut in ((sample("zh")[0], segmenter), (sample("en")[50], None)):
        encoded = Characters().encode_sentences(document.sentences, cut)
        data = encoded.token_ids.astype(np.uint8).tobytes()
        begins = [*np.flatnonzero(encoded.word_starts).tolist(), len(data)]
        words = [data[a:b].decode() for a, b in pairwise(begins)]
        assert "".join(words) == "".join("".join(document.sentences).split())
        assert {"桃园", "豪杰"} <= set(words) if cut else {"Bennet", ",", "-"} <= set(words)
        assert character_rows(encoded.token_ids, encoded.word_starts).tolist() == [bilm(word, 50) for word in words]


def test_the_marks_of_a_sentence() -> None:
    """bos_char 256, eos_char 257, bow_char 258, eow_char 259, pad_char 260."""
    tokenizer = Characters()
    assert tokenizer.encode_pair("ab").ids.tolist() == [256, 97, 98, 257]
    assert (tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id, tokenizer.mask_id) == (256, 257, 260, None)
    assert [tokenizer.tokens[i] for i in tokenizer.special_ids] == ["<S>", "</S>", "<W>", "</W>", "<pad>"]
    assert tokenizer.decode([256, *"语言".encode(), 257], skip_special=True) == "语言"


@given(st.lists(st.text(st.sampled_from("aé1 \t\n中文語。，'-\u3000\u0301ß🙂<S>"), max_size=30), max_size=4))
def test_ids_and_words_equal_the_librarys_on_any_text(texts: list[str]) -> None:
    data = json.loads(Characters().files()["tokenizer.json"])
    library = Library.from_str(json.dumps({**data, "added_tokens": [], "post_processor": None}))
    encoded = Characters().encode_sentences(texts)
    wanted = library.encode_batch(texts, add_special_tokens=False)
    assert encoded.token_ids.tolist() == [i for row in wanted for i in row.ids]
    words = [row.word_ids for row in wanted]
    assert encoded.word_starts.tolist() == [int(i == 0 or w[i] != w[i - 1]) for w in words for i in range(len(w))]


def test_files_come_back_and_others_are_refused(tmp_path: Path) -> None:
    tokenizer = Characters()
    tokenizer.save(tmp_path / "t")
    assert Characters.load(tmp_path / "t").fingerprint == tokenizer.fingerprint
    path = tmp_path / "t" / "tokenizer.json"
    data = json.loads(path.read_text())
    data["model"]["vocab"]["<pad>"] = 300
    path.write_text(json.dumps(data))
    with pytest.raises(BadInput, match="model is not that of characters"):
        Characters.load(path)


def test_transformers_loads_what_we_save(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    Characters().save(tmp_path / "t")
    stock = transformers.AutoTokenizer.from_pretrained(tmp_path / "t")
    texts = [*sample("en")[0].sentences[:50], *sample("zh")[0].sentences[:50]]
    assert [row.ids.tolist() for row in Characters().encode_pairs(texts)] == stock(texts)["input_ids"]
