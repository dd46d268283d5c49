"""Graphs for OpenVINO: our encoder from a folder and from one file, in 8 bits, and nobody is told of it."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

import maskwright as mw
from maskwright.errors import BadInput
from maskwright.inference.graphs.certificate import closeness, texts_of
from maskwright.inference.graphs.exporting import Wanted, export_graph
from maskwright.inference.graphs.openvino_library import openvino
from tests.checkpoints import made_up
from tests.inference.graphs.test_export import FILE, TEXTS, WIDE

pytestmark = pytest.mark.skipif(not (find_spec("openvino") and find_spec("nncf")), reason="needs maskwright[openvino]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bert") / "model"
    made_up.folder(path, **WIDE)
    return path


def texts_in(folder: Path) -> Path:
    (folder / "texts.txt").write_text(FILE)
    return folder / "texts.txt"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ov", "ov.zip"])
def test_openvino_gives_the_same_from_its_folder_and_from_one_file(folder: Path, tmp_path: Path, name: str) -> None:
    out, facts = export_graph(folder, tmp_path / name, "openvino", Wanted(texts=texts_in(tmp_path.parent)))
    if out.is_dir():
        assert {"model.xml", "model.bin", "maskwright.json", "tokenizer.json"} <= {one.name for one in out.iterdir()}
    assert [one.name for one in tmp_path.iterdir()] == [name]
    graph, encoder = mw.load(out), mw.load(folder)
    assert np.abs(graph.encode(TEXTS) - encoder.encode(TEXTS)).max() < 1e-5
    for ours, wanted in zip(graph.token_vectors(TEXTS), encoder.token_vectors(TEXTS), strict=True):
        assert np.abs(ours - wanted).max() < 1e-5
    assert facts.certificate["runtime"].startswith("openvino") and graph.facts == facts
    lower = mw.load(out / "model.xml" if out.is_dir() else out, dtype="bfloat16").encode(TEXTS)
    assert 1e-4 < np.abs(lower - encoder.encode(TEXTS)).max() < 0.1 or not torch.ops.mkldnn._is_mkldnn_bf16_supported()
    if out.is_dir():
        (out / "maskwright.json").unlink()
        with pytest.raises(BadInput, match=r"maskwright\.json is missing"):
            mw.load(out)


@pytest.mark.slow
def test_int8_of_openvino_is_a_quarter_and_near(tmp_path: Path) -> None:
    made_up.folder(tmp_path / "model", hidden_size=128, intermediate_size=512)
    texts = texts_in(tmp_path)
    _, exact = export_graph(tmp_path / "model", tmp_path / "exact.zip", "openvino", Wanted(texts=texts))
    wanted = Wanted(as_int8=True, bound=0.9, texts=texts, calibrate=texts)
    out, facts = export_graph(tmp_path / "model", tmp_path / "int8", "openvino", wanted)
    told = facts.certificate["int8"]
    assert set(told) == {"dynamic", "static"} and facts.precision == "int8" and exact.precision == "float32"
    assert told[facts.certificate["chosen"]]["worst_cosine"] == max(one["worst_cosine"] for one in told.values())
    lines = texts_of(texts)
    again = closeness(mw.load(out).encode(lines), mw.load(tmp_path / "model").encode(lines, "mean"))
    assert again.worst_cosine == pytest.approx(told[facts.certificate["chosen"]]["worst_cosine"], abs=1e-5)
    assert again.largest_difference > 1e-4  # it does compute in 8 bits
    graph = openvino().Core().read_model(str(out / "model.xml"))
    weights = [
        one for one in graph.get_ops() if one.get_type_name() == "Constant" and ".layers." in one.get_friendly_name()
    ]
    bits = {one.get_element_type().get_type_name() for one in weights if len(one.shape) == 2 and min(one.shape) > 1}
    assert bits <= {"u8", "i8"} and bits


TELLING = """
import sys, threading
told = []
sys.addaudithook(lambda event, given: told.append(event) if event in ("socket.connect", "socket.getaddrinfo") else None)
from maskwright.cli import main
assert main(sys.argv[1:]) == 0
[one.join(10) for one in threading.enumerate() if one is not threading.current_thread()]
assert not told, told
assert "openvino_telemetry" not in sys.modules
"""


@pytest.mark.slow
def test_openvino_and_its_quantizer_tell_nobody(folder: Path, tmp_path: Path) -> None:
    """Both send an event when they are imported, unless CI is set; stdout stays the result's."""
    words = [
        "export",
        str(folder),
        "--to",
        "openvino",
        "--out",
        str(tmp_path / "x.zip"),
        "--int8",
        "--bound",
        "-1",
        "--json",
    ]
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | {"HOME": str(tmp_path / "home")}
    (tmp_path / "home").mkdir()
    done = subprocess.run([sys.executable, "-c", TELLING, *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["precision"] == "int8"
    assert not list((tmp_path / "home").rglob("*telemetry*")) and not list((tmp_path / "home").rglob("openvino_ga_cid"))
