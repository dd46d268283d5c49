"""`bench encode`: what its sides measure, what they are told, what is made of it. No time is judged here."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import maskwright as mw
from maskwright.cli import main
from maskwright.errors import BadInput
from maskwright.lab.bench import encode, encode_ours
from maskwright.lab.bench.encode import BESIDE, BF16, FLOAT32, INT8, ONNX_INT8, SET, STOCK
from maskwright.lab.bench.pretrain import Terms
from maskwright.lab.bench.shown import encode as shown
from maskwright.layers.eight_bits import can_eight_bits
from tests.checkpoints import made_up

TERMS = Terms(seconds=1, rounds=2, threads=1)
TEXTS = ["the cat sat on a mat", "paris is the capital of france .", "a cat"] * 5


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    made_up.folder(tmp_path / "model", ())
    (tmp_path / "texts.json").write_text(json.dumps(TEXTS))
    return {"model": str(tmp_path / "model"), "texts": str(tmp_path / "texts.json"), "seconds": 0.0}


def test_our_side_is_encode_itself(given: dict[str, Any], tmp_path: Path) -> None:
    result = encode_ours.measure(**given, out=str(tmp_path / "ours.npy"))
    encoder = mw.load(given["model"])
    assert np.array_equal(np.load(tmp_path / "ours.npy"), encoder.encode(TEXTS))
    tokens = sum(len(encoder.tokenize(text)) for text in TEXTS)
    assert result["texts"] == 15
    assert result["tokens_per_second"] / result["texts_per_second"] == pytest.approx(tokens / 15)


@pytest.mark.slow
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("sentence_transformers", "onnxruntime", "onnxscript")),
    reason="needs sentence-transformers and onnxruntime",
)
def test_all_sides_make_the_same_vectors(given: dict[str, Any], tmp_path: Path) -> None:
    from maskwright.lab.bench import encode_onnx, encode_rival

    ours = encode_ours.measure(**given, out=str(tmp_path / "ours.npy"))
    stock = encode_rival.measure(**given, precision="float32", out=str(tmp_path / "stock.npy"))
    assert encode_onnx.measure(**given, make=str(tmp_path / "stock.onnx"))["bytes"] > 0
    graph = {**given, "graph": str(tmp_path / "stock.onnx")}
    by_onnx = encode_onnx.measure(**graph, out=str(tmp_path / "onnx.npy"))
    in_int8 = encode_onnx.measure(**graph, precision="int8", out=str(tmp_path / "int8.npy"))
    wanted = np.load(tmp_path / "stock.npy")
    for name in ("ours", "onnx"):
        assert np.abs(np.load(tmp_path / f"{name}.npy") - wanted).max() < 1e-5
    assert 1e-5 < np.abs(np.load(tmp_path / "int8.npy") - wanted).max() < 1
    counts = [one["tokens_per_second"] / one["texts_per_second"] for one in (ours, stock, by_onnx, in_int8)]
    assert counts == pytest.approx([counts[0]] * 4)


def test_texts_are_of_mixed_lengths_and_the_same_every_time(given: dict[str, Any]) -> None:
    made_up.folder(Path(given["model"]).with_name("long"), (), max_position_embeddings=512)
    encoder: Any = mw.load(Path(given["model"]).with_name("long"))
    texts = encode.mixed_texts(encoder, 60)
    assert texts == encode.mixed_texts(encoder, 60) and len(set(texts)) == 60
    sizes = [len(text.split()) for text in texts]
    assert min(sizes) < 15 and 20 < np.mean(sizes) < 80
    assert max(len(one.ids) for one in encoder.encoded(texts)) <= encode.LONGEST  # and none has to be cut


def test_products_are_counted_by_hand() -> None:
    """Two sequences of 2 and 3 tokens, one layer, H = 4, inner 8."""
    maps = 2 * 5 * (3 * 4 * 4 + 4 * 4 + 4 * 8 + 8 * 4)
    attention = 2 * 2 * 4 * (2 * 2 + 3 * 3)  # scores and weighted values
    assert encode.flops([2, 3], layers=1, hidden=4, inner=8) == maps + attention


def test_ratios_are_taken_round_by_round_against_what_a_side_stands_beside() -> None:
    def rates(*speeds: float) -> list[dict[str, Any]]:
        return [
            {
                "texts": 8, "texts_per_second": s, "tokens_per_second": 10 * s, "tokens_per_cpu_second": 5 * s,
                "peak_mib": s,
            }
            for s in speeds
        ]  # fmt: skip

    results = {
        FLOAT32: rates(20, 30), BF16: rates(40, 80), INT8: rates(90, 60), STOCK: rates(10, 10),
        ONNX_INT8: rates(30, 60), BF16 + SET: rates(100, 100), STOCK + SET: rates(50, 25),
    }  # fmt: skip
    vectors = {name: np.full((2, 3), 1.0 + place) for place, name in enumerate(results)}
    limits = [{"flops_per_second": 1e9}, {"flops_per_second": 2e9}]
    found = encode.summary(TERMS, results, limits, vectors, work=1e8)
    assert found["ratio"][FLOAT32] == {"median": 2.5, "least": 2.0, "most": 3.0}
    assert found["ratio"][INT8] == {"median": 2.0, "least": 1.0, "most": 3.0}
    assert found["ratio"][BF16 + SET] == {"median": 3.0, "least": 2.0, "most": 4.0}
    assert found["share_of_limit"][BF16] == {"median": 0.5, "least": 0.5, "most": 0.5}
    assert found["reference"] == STOCK and found["cosines"][STOCK]["largest_difference"] == 0
    assert found["cosines"][FLOAT32]["worst_cosine"] == pytest.approx(1)
    assert set(BESIDE) >= {FLOAT32, BF16, INT8}
    told = {"texts": 2, "tokens": 20, "longest": 12, "model": "m", "layers": 1, "hidden": 3}
    table = shown.table({**told, **found})
    assert "2.50x (2.00-3.00) of sentence-transformers float32" in table and "50%" in table


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]) -> None:
    monkeypatch.setattr(encode, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"pip install sentence-transformers 'maskwright\[onnx\]', or"):
        encode.compare(given["model"], TERMS)


@pytest.mark.slow
@pytest.mark.skipif(not can_eight_bits(), reason="this processor has no instructions for int8")
def test_alone_it_needs_nothing_else(given: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    made_up.folder(Path(given["model"]).with_name("long"), (), max_position_embeddings=512, hidden_size=64)
    path = str(Path(given["model"]).with_name("long"))
    words = ["bench", "encode", "--model", path, "--alone", "--rounds", "1", "--seconds", "0.1"]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["texts_per_second"]) == {one + end for one in (FLOAT32, BF16, INT8) for end in ("", SET)}
    assert found["reference"] == FLOAT32 and found["ratio"] == {}
    assert 0 < found["longest"] <= encode.LONGEST and found["texts"] == encode.TEXTS
