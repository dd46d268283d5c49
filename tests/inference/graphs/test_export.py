"""Exported graphs: run by onnxruntime alone they are the stock model, read again they are our encoder."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import maskwright as mw
from maskwright.checkpoints.folder import write_folder
from maskwright.checkpoints.sentence_vectors import SentenceVectors, write_sentence_vectors
from maskwright.checkpoints.task_part import SpanSettings, TaskPart
from maskwright.cli import main
from maskwright.errors import BadInput
from maskwright.inference.graphs.certificate import closeness, sample_texts, texts_of
from maskwright.inference.graphs.encoder import GraphEncoder
from maskwright.inference.graphs.exporting import Wanted, export_graph
from maskwright.training.finetuning import finetuning
from tests.checkpoints import made_up

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

TEXTS: list[Any] = [
    "Paris is the capital of France.",
    "the cat",
    "the cat sat on a mat " * 3,
    ("the cat", "sat on a mat"),
]
WIDE = {"hidden_size": 64, "intermediate_size": 128}
"""Wide enough that int8 has something to average over."""
FILE = "the cat sat on a mat\nparis is the capital of france .\nthe river\tis long and blue\na x\n"


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model folder and its graph, with all that an export is told said."""
    there = tmp_path_factory.mktemp("bert")
    made_up.folder(there / "model", **WIDE)
    (there / "texts.txt").write_text(FILE)
    export_graph(there / "model", there / "bert.onnx", wanted=Wanted("pooler", texts=there / "texts.txt"))
    return there / "model", there / "bert.onnx"


def session_of(file: Path) -> Any:
    return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])


def assert_a_stock_model_and_ours(folder: Path, file: Path, texts: list[Any]) -> None:
    """onnxruntime with the stock tokenizer, padded; the stock model; our encoder; the graph as `mw.load` runs it."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    theirs = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    encoder, graph, session = mw.load(folder), mw.load(file), session_of(file)
    names = [one.name for one in session.get_inputs()]
    pairs = [text if isinstance(text, tuple) else (text, None) for text in texts]
    alone = [one for one, other in pairs if other is None]
    inputs = dict(tokenizer(alone, padding=True, return_tensors="np"))
    last, vectors = session.run(["last_hidden_state", "sentence_embedding"], {name: inputs[name] for name in names})
    told = {"langs": torch.zeros(inputs["input_ids"].shape, dtype=torch.int64)} if folder.name == "xlm" else {}
    with torch.no_grad():
        stock = theirs(**{name: torch.from_numpy(inputs[name]) for name in names}, **told).last_hidden_state.numpy()
    mask = inputs["attention_mask"]
    assert np.abs(last - stock)[mask == 1].max() < 1e-5
    means = np.stack([row[keep == 1].mean(0) for row, keep in zip(stock, mask, strict=True)])
    assert np.abs(vectors - means).max() < 1e-5
    assert np.abs(graph.encode(texts) - encoder.encode(texts)).max() < 1e-5
    assert np.abs(graph.encode(texts, "cls") - encoder.encode(texts, "cls")).max() < 1e-5
    unit = graph.encode(texts, "mean", normalize=True)
    assert np.abs(unit - encoder.encode(texts, "mean", normalize=True)).max() < 1e-5
    for ours, wanted in zip(graph.token_vectors(texts), encoder.token_vectors(texts), strict=True):
        assert ours.shape == wanted.shape and np.abs(ours - wanted).max() < 1e-5
    assert [graph.tokenize(text) for text in texts] == [encoder.tokenize(text) for text in texts]
    assert graph.encode([]).shape == (0, encoder.config.hidden_size)


def test_a_bert_is_one_file_that_knows_its_texts(bert: tuple[Path, Path]) -> None:
    folder, file = bert
    encoder, graph = mw.load(folder), mw.load(file)
    assert isinstance(graph, GraphEncoder)
    assert np.abs(graph.encode(TEXTS) - encoder.encode(TEXTS, "pooler")).max() < 1e-5
    assert np.abs(graph.encode(TEXTS, "mean") - encoder.encode(TEXTS, "mean")).max() < 1e-5
    inputs = [(one.name, one.shape) for one in session_of(file).get_inputs()]
    assert [name for name, _ in inputs] == ["input_ids", "attention_mask", "token_type_ids"]
    assert all(not isinstance(size, int) for _, shape in inputs for size in shape)
    moved = file.with_name("carried.onnx")
    os.rename(file, moved)
    try:
        assert np.array_equal(mw.load(moved).encode(TEXTS), graph.encode(TEXTS))  # nothing was beside it
    finally:
        os.rename(moved, file)


def test_the_certificate_says_what_anyone_finds_again(bert: tuple[Path, Path]) -> None:
    folder, file = bert
    told = mw.load(file).certificate
    texts = [tuple(line.split("\t")) if "\t" in line else line for line in FILE.splitlines()]
    assert texts_of(folder.parent / "texts.txt") == texts
    exact = mw.load(folder).encode(texts, "pooler").astype(np.float64)
    found = mw.load(file).encode(texts).astype(np.float64)
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(exact, found, strict=True)]
    assert told["float32"]["worst_cosine"] == pytest.approx(min(cosines), abs=1e-9)
    assert told["float32"]["mean_cosine"] == pytest.approx(np.mean(cosines), abs=1e-9)
    assert told["float32"]["largest_difference"] == pytest.approx(np.abs(exact - found).max(), abs=1e-9)
    assert told["texts"] == 4 and told["tokens"] == sum(len(mw.load(folder).tokenize(text)) for text in texts)
    assert told["runtime"] == f"onnxruntime {onnxruntime.__version__}" and "task" not in told


def test_the_file_tells_nothing_of_the_machine_it_was_made_on(bert: tuple[Path, Path]) -> None:
    content = bert[1].read_bytes()
    assert b".py" not in content and str(Path(mw.__file__).parent).encode() not in content


def test_what_no_graph_tells_is_refused_in_a_line(bert: tuple[Path, Path]) -> None:
    folder, file = bert
    graph: Any = mw.load(file)
    for call in (
        lambda: graph.fill("the [MASK]"), lambda: graph.fill_many(["the [MASK]"]), lambda: graph.attention("the cat"),
        lambda: graph.score("the cat"), lambda: graph.rank("the", ["cat"]), lambda: graph.generate("the"),
        lambda: graph.adapted(folder), lambda: graph.in_language("en"), lambda: graph.predict("the cat"),
        lambda: graph.tag([["the"]]), lambda: graph.segment(["中国"]), lambda: graph.answer("who?", "the cat"),
        lambda: graph.choose("the", ["cat", "mat"]), lambda: graph.examples([]), lambda: graph.token_vectors("a", 0),
        lambda: graph.encode("a", "max"), lambda: graph.encode("cat " * 99), lambda: graph.encode([3]),
    ):  # fmt: skip
        with pytest.raises(BadInput) as caught:
            call()
        assert "\n" not in str(caught.value)
    for arguments in ({"dtype": "bfloat16"}, {"device": "cuda"}, {"adapter": folder}):
        with pytest.raises(BadInput):
            mw.load(file, **arguments)
    with pytest.raises(BadInput, match="is not there"):
        mw.load(file.with_name("none.onnx"))


def test_a_strange_or_damaged_graph_is_refused(bert: tuple[Path, Path], tmp_path: Path) -> None:
    import onnx

    whole = onnx.load(str(bert[1]))
    strange = tmp_path / "strange.onnx"
    strange.write_bytes(b"no graph")
    with pytest.raises(BadInput, match="is no graph that onnxruntime loads"):
        mw.load(strange)

    def changed(key: str, value: str | None) -> Path:
        model = onnx.ModelProto()
        model.CopyFrom(whole)
        kept = {one.key: one.value for one in model.metadata_props if one.key != key}
        del model.metadata_props[:]
        for name, text in ({**kept, key: value} if value is not None else kept).items():
            model.metadata_props.add(key=name, value=text)
        onnx.save(model, str(strange))
        return strange

    for key, value, why in (
        ("maskwright", None, "says nothing of its tokenizer"), ("maskwright", "{", "damaged"),
        ("maskwright", "{}", "model_type"), ("maskwright.tokenizer", "[]", "the tokenizer in it is damaged"),
        ("maskwright.tokenizer", '{"tokenizer.json": "{}", "../../x": "y"}', "tokenizer"),
    ):  # fmt: skip
        with pytest.raises(BadInput, match=why):
            mw.load(changed(key, value))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["roberta", "albert", "xlm", "gpt2"])
def test_other_networks_are_graphs_too(tmp_path: Path, kind: str) -> None:
    made_up.folder(tmp_path / kind, ("lm",) if kind == "gpt2" else ("mlm",), 0, kind)
    export_graph(tmp_path / kind, tmp_path / "graph.onnx", wanted=Wanted(texts=_file(tmp_path)))
    texts = TEXTS[:3] if kind == "gpt2" else TEXTS
    assert_a_stock_model_and_ours(tmp_path / kind, tmp_path / "graph.onnx", texts)


def _file(folder: Path) -> Path:
    (folder / "texts.txt").write_text(FILE.replace("\t", " "))
    return folder / "texts.txt"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("bert", TaskPart("class", ("animal", "place"))),
        ("roberta", TaskPart("number", ("how much",))),
        ("gpt2", TaskPart("class", ("a", "b", "c"))),
        ("bert", TaskPart("tags", ("B-X", "I-X", "O"))),
        ("bert", TaskPart("span", (), SpanSettings())),
        ("xlm", TaskPart("option", ())),
    ],
    ids=str,
)
def test_tasks_are_answered_as_by_the_model(tmp_path: Path, kind: str, part: TaskPart) -> None:
    model = finetuning(made_up.config(kind), part, 0)
    model.encoder.initialise(0)
    model.initialise_head(0.5, 0)
    folder = write_folder(
        tmp_path / "model",
        names=model.weight_names(),
        parameters=dict(model.named_parameters()),
        config=made_up.config(kind),
        tokenizer=made_up.tokenizer_for(kind),
        task=part,
    )
    _, facts = export_graph(folder, tmp_path / "x.onnx", wanted=Wanted(texts=_file(tmp_path)))
    encoder, graph = mw.load(folder), mw.load(tmp_path / "x.onnx")
    assert facts.part == part and graph.task is not None and graph.task.part == part
    texts = TEXTS[:3]
    match part.asks:
        case "class":
            ours, wanted = graph.predict(texts), encoder.predict(texts)
            assert [one.label for one in ours] == [one.label for one in wanted]
            for a, b in zip(ours, wanted, strict=True):
                assert a.shares == pytest.approx(b.shares, abs=1e-5)
        case "number":
            ours, wanted = graph.predict(texts), encoder.predict(texts)
            assert [one.label for one in ours] == pytest.approx([one.label for one in wanted], abs=1e-5)
        case "tags":
            words = [text.split() for text in texts]
            assert graph.tag(words) == encoder.tag(words)
        case "span":
            asked = [("what sat?", text) for text in texts]
            for a, b in zip(graph.answer_many(asked, 3), encoder.answer_many(asked, 3), strict=True):
                assert [one.text for one in a] == [one.text for one in b]
        case _:
            ours, wanted = graph.choose("the cat", texts), encoder.choose("the cat", texts)
            assert ours.place == wanted.place if hasattr(ours, "place") else ours == wanted or ours[0] == wanted[0]


@pytest.mark.slow
def test_int8_keeps_the_nearest_of_its_ways_and_says_what_all_came_to(bert: tuple[Path, Path], tmp_path: Path) -> None:
    folder, _ = bert
    texts = folder.parent / "texts.txt"
    wanted = Wanted("mean", as_int8=True, bound=-1.0, texts=texts, calibrate=texts)
    out, facts = export_graph(folder, tmp_path / "x.onnx", wanted=wanted)
    told = facts.certificate
    assert set(told["int8"]) == {"dynamic", "dynamic, equalised", "static, equalised"}
    best = max(told["int8"].values(), key=lambda one: one["worst_cosine"])
    assert told["int8"][told["chosen"]] == best and told["bound"] == -1.0
    lines = texts_of(texts)
    again = closeness(mw.load(out).encode(lines), mw.load(folder).encode(lines, "mean"))
    assert again.worst_cosine == pytest.approx(best["worst_cosine"], abs=1e-6)
    assert again.largest_difference == pytest.approx(best["largest_difference"], abs=1e-6) and again[2] > 1e-4
    import onnx

    kinds = {node.op_type for node in onnx.load(str(out)).graph.node}
    assert kinds & {"MatMulInteger", "DynamicQuantizeLinear", "QuantizeLinear"}
    assert facts.precision == "int8" and mw.load(out).facts == facts
    with pytest.raises(BadInput, match=r"int8 loses too much: the worst cosine is dynamic -?\d.*the bound 1\.0"):
        export_graph(folder, tmp_path / "y.onnx", wanted=wanted._replace(bound=1.0))
    assert not (tmp_path / "y.onnx").exists()


def test_a_pooler_that_was_scaled_is_given_scaled_or_not_at_all(bert: tuple[Path, Path], tmp_path: Path) -> None:
    folder, _ = bert
    texts = folder.parent / "texts.txt"
    export_graph(folder, tmp_path / "x.onnx", wanted=Wanted("pooler", normalize=True, texts=texts))
    graph, encoder = mw.load(tmp_path / "x.onnx"), mw.load(folder)
    wanted = encoder.encode(TEXTS, "pooler", normalize=True)
    assert np.abs(graph.encode(TEXTS) - wanted).max() < 1e-5
    assert np.abs(graph.encode(TEXTS, "pooler", normalize=True) - wanted).max() < 1e-5
    for given in ({"pooling": "pooler"}, {"normalize": False}, {"pooling": "pooler", "normalize": False}):
        with pytest.raises(BadInput, match="at length 1 alone: take normalize=True"):
            graph.encode(TEXTS, **given)


def test_a_folder_may_have_a_file_s_name(bert: tuple[Path, Path], tmp_path: Path) -> None:
    folder, _ = bert
    assert main(["export", str(folder), "--out", str(tmp_path / "bert.zip")]) == 0
    assert mw.load(tmp_path / "bert.zip").encode(TEXTS).shape == (4, 64)


@pytest.mark.slow
def test_a_folder_s_own_pooling_goes_along(tmp_path: Path) -> None:
    made_up.folder(tmp_path / "model", ())
    write_sentence_vectors(tmp_path / "model", SentenceVectors("cls", normalize=True), hidden=16, length=64)
    out, facts = export_graph(tmp_path / "model", tmp_path / "onnx", wanted=Wanted(texts=_file(tmp_path)))
    assert (facts.pooling, facts.normalize) == ("cls", True)
    assert {"model.onnx", "tokenizer.json", "vocab.txt"} <= {one.name for one in out.iterdir()}
    encoder, graph = mw.load(tmp_path / "model"), mw.load(out)
    assert np.abs(graph.encode(TEXTS) - encoder.encode(TEXTS)).max() < 1e-5
    assert np.abs(graph.encode(TEXTS, "cls") - encoder.encode(TEXTS, "cls")).max() < 1e-5  # of any length


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--int8", "--bound", "-1")])
def test_a_task_is_scored_before_and_after(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    part = TaskPart("class", ("animal", "place"))
    model = finetuning(made_up.config(), part, 0)
    model.encoder.initialise(0)
    model.initialise_head(0.5, 1)
    folder = write_folder(
        tmp_path / "model", names=model.weight_names(), parameters=dict(model.named_parameters()),
        config=made_up.config(), tokenizer=made_up.tokenizer_for("bert"), task=part,
    )  # fmt: skip
    rows = [("the cat sat on a mat", "animal"), ("paris is long", "place"), ("a cat", "place"), ("the river", "place")]
    (tmp_path / "dev.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    words = ["export", str(folder), "--to", "onnx", "--out", str(tmp_path / "x.onnx"), "--json", *more]
    assert main([*words, "--test", str(tmp_path / "dev.csv"), "--texts", str(_file(tmp_path))]) == 0
    told = json.loads(capsys.readouterr().out)["certificate"]["task"]
    assert told["test"] == str(tmp_path / "dev.csv") and told["measure"] == "accuracy"
    for model, score in ((folder, told["before"]), (tmp_path / "x.onnx", told["after"])):
        right = [one.label for one in mw.load(model).predict([text for text, _ in rows])]
        assert score == sum(a == b for a, (_, b) in zip(right, rows, strict=True)) / 4
    assert main(["evaluate", str(tmp_path / "x.onnx"), "--test", str(tmp_path / "dev.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["chief"]["value"] == told["after"]


def test_what_is_measured_on_is_not_what_is_calibrated_on(bert: tuple[Path, Path]) -> None:
    encoder = mw.load(bert[0])
    measured, languages = sample_texts(encoder, odd=True)
    calibrated, _ = sample_texts(encoder, odd=False)
    assert languages and len(measured) == 64 * len(languages) and not set(measured) & set(calibrated)


def test_closeness_by_hand() -> None:
    a = np.array([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0], [0.0, 0.0]], np.float32)
    b = np.array([[1.0, 1.0], [0.0, 2.0], [0.0, 0.0], [1.0, 0.0]], np.float32)
    found = closeness(a, b)
    assert found.worst_cosine == 0.0 and found.largest_difference == 1.0
    assert found.mean_cosine == pytest.approx((2**-0.5 + 1 + 1 + 0) / 4)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--to", "hf", "--int8"], "--int8 goes with --to onnx and --to openvino: hf is written as it is"),
        (["--to", "tf1", "--bound", "0"], "--bound goes with --to onnx and --to openvino"),
        (["--to", "onnx", "--out", "x.zip"], "x.zip would be a file of --to openvino, and this is onnx"),
        (["--to", "openvino", "--out", "x.onnx"], "x.onnx would be a file of --to onnx, and this is openvino"),
        (["--test", "x.csv"], "--test goes with --to onnx and --to openvino"),
        (["--to", "onnx", "--bound", "0.9"], "add --int8"),
        (["--to", "onnx", "--int8", "--bound", "2"], "a cosine lies between -1 and 1"),
        (["--to", "onnx", "--texts", "none.txt"], "none.txt"),
        (["--to", "sentence-transformers", "--pooling", "pooler"], "--to onnx has pooler too"),
        (["--to", "onnx", "--out", "no/where/x.onnx"], "is not there: make the folder first"),
    ],
    ids=str,
)
def test_wrong_wishes_are_a_line(
    bert: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], why: str
) -> None:
    words = ["export", str(bert[0]), *([] if "--out" in more else ["--out", str(tmp_path / "out")]), *more]
    assert main(words) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and why in said[0]


def test_networks_that_are_no_graph_are_named(tmp_path: Path) -> None:
    made_up.folder(tmp_path / "xlnet", ("plm",), 0, "xlnet")
    with pytest.raises(BadInput, match="is an XLNet, whose two streams"):
        export_graph(tmp_path / "xlnet", tmp_path / "x.onnx")
    made_up.folder(tmp_path / "bert", ("mlm",))
    with pytest.raises(BadInput, match="has no pooler: take mean or cls"):
        export_graph(tmp_path / "bert", tmp_path / "x.onnx", wanted=Wanted("pooler"))
    (tmp_path / "there.onnx").write_bytes(b"")
    with pytest.raises(BadInput, match="exists already"):
        export_graph(tmp_path / "bert", tmp_path / "there.onnx")
