"""Files in word2vec's format: as gensim reads and writes them, and what is wrong with a bad one, with its line."""

import struct

import numpy as np
import pytest
from gensim.models import KeyedVectors

from maskwright.errors import BadInput
from maskwright.training.vector_text import read_vectors, write_vectors

TOKENS = ["the", "##s", "语", "naïve", "nowhere-to-be-found"]


@pytest.fixture
def vectors():
    return np.random.default_rng(0).normal(size=(5, 16)).astype(np.float32)


@pytest.mark.parametrize(("name", "binary"), [("v.txt", False), ("v.bin", True)])
def test_a_file_that_gensim_wrote_is_read_back(tmp_path, vectors, name, binary):
    theirs = KeyedVectors(vector_size=16)
    theirs.add_vectors(TOKENS, vectors)
    theirs.save_word2vec_format(str(tmp_path / name), binary=binary)
    ids, read = read_vectors(tmp_path / name, ("a", "语", "the", "##s", "naïve"), 16)
    assert ids.tolist() == [2, 3, 1, 4]
    np.testing.assert_allclose(read, vectors[:4], rtol=0 if binary else 1e-6)


def test_a_binary_file_as_word2vec_c_writes_it_is_read(tmp_path, vectors):
    # with a line feed behind each vector, which gensim leaves out
    rows = b"".join(
        t.encode() + b" " + struct.pack("<16f", *v) + b"\n" for t, v in zip(TOKENS, vectors.tolist(), strict=True)
    )
    (tmp_path / "v.bin").write_bytes(b"5 16\n" + rows)
    ids, read = read_vectors(tmp_path / "v.bin", tuple(TOKENS), 16)
    assert ids.tolist() == [0, 1, 2, 3, 4] and (read == vectors).all()


def test_a_file_that_we_wrote_is_loaded_by_gensim_to_the_same_bits(tmp_path, vectors):
    vectors[0, :3] = [1e-38, 3.4e38, -0.0]
    assert write_vectors(tmp_path / "v.txt", [*TOKENS[:4], "two words"], vectors) == 1
    theirs = KeyedVectors.load_word2vec_format(str(tmp_path / "v.txt"), binary=False)
    assert theirs.index_to_key == TOKENS[:4]
    assert theirs.vectors.tobytes() == vectors[:4].tobytes()
    ids, read = read_vectors(tmp_path / "v.txt", tuple(TOKENS), 16)
    assert ids.tolist() == [0, 1, 2, 3] and read.tobytes() == vectors[:4].tobytes()


def test_the_first_vector_of_a_token_counts(tmp_path):
    path = tmp_path / "twice.txt"
    path.write_text("3 2\na 1 2\na 3 4\nb 5 6\n", encoding="utf-8")
    ids, read = read_vectors(path, ("a", "b"), 2)
    assert ids.tolist() == [0, 1] and read.tolist() == [[1, 2], [5, 6]]


ONE, TWO, NAN = struct.pack("<2f", 1, 2), struct.pack("<2f", 3, 4), struct.pack("<2f", 1, float("nan"))
BAD = [
    ("t.txt", b"a 1 2\nb 3 4\n", "line 1"),
    ("t.txt", b"", "line 1"),
    ("t.txt", b"99999999999999 2\na 1 2\n", "line 1"),
    ("t.txt", b"2 3\na 1 2 3\nb 4 5 6\n", "vectors of 3 numbers, but the model's hidden size is 2"),
    ("t.txt", b"2 2\na 1 2\nb 3\n", "line 3 holds 1 numbers, not 2"),
    ("t.txt", b"2 2\na 1 2\nb 3 4 5\n", "line 3 holds 3 numbers, not 2"),
    ("t.txt", b"3 2\na 1 2\nunknown 1\nb 3 4\n", "line 3 holds 1 numbers, not 2"),
    ("t.txt", b"2 2\na 1 2\n\nb 3 4\n", "line 3 holds 0 numbers"),
    ("t.txt", b"2 2\na 1 x\nb 3 4\n", r"line 2 \('a'\) does not hold 2 finite"),
    ("t.txt", b"2 2\na 1 nan\nb 3 4\n", "line 2"),
    ("t.txt", b"2 2\nz 1 2\ny 3 4\n", "none of its tokens"),
    ("t.txt", b"2 2\na 1 2\nb 1 2\n", "are all the same"),
    ("t.txt", b"2 2\na \x01\x02\x03b\x04\n", "line 2 holds 1 numbers, not 2: .* binary"),
    ("t.txt", b"3 2\na 1 2\nb 3 4\n", "line 1 says 3 vectors, and there are 2: the file is cut off"),
    ("t.txt", b"1 2\na 1 2\nb 3 4\n", "line 1 says 1 vectors, and there are more"),
    ("b.bin", b"2 2\na " + ONE + b"b " + TWO[:-1], "ends inside vector 2 of 2"),
    ("b.bin", b"3 2\na " + ONE + b"b " + TWO, "says 3 vectors, and after 2 no token follows"),
    ("b.bin", b"1 2\na " + ONE + b"b " + TWO, "says 1 vectors, and there are more"),
    ("b.bin", b"2 2\na " + NAN + b"b " + TWO, r"vector 1 \('a'\) does not hold 2 finite numbers"),
    ("b.bin", b"2 2\na 1 2\nb 3 4\n", "after 1 no token follows: .* its name ends in .bin"),
]


@pytest.mark.parametrize(("name", "content", "told"), BAD)
def test_a_file_that_will_not_do_is_named_with_its_line(tmp_path, name, content, told):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadInput, match=told) as caught:
        read_vectors(path, ("a", "b"), 2)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
