"""A model folder -> a graph with its tokenizer, pooling and certificate: `maskwright export --to onnx`."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch

from maskwright.durable import staged_folder
from maskwright.errors import BadInput
from maskwright.inference.encoder import Encoder
from maskwright.inference.encoder_loading import load
from maskwright.inference.graphs import int8
from maskwright.inference.graphs.certificate import (
    Closeness,
    closeness,
    sample_texts,
    task_score,
    texts_of,
)
from maskwright.inference.graphs.encoder import GraphEncoder
from maskwright.inference.graphs.facts import GraphFacts, Pooling, packed
from maskwright.inference.graphs.loading import ONNX, OPENVINO
from maskwright.inference.graphs.network import Exported, exported, inputs_of
from maskwright.inference.graphs.onnx_file import onnx_of, write_onnx
from maskwright.inference.graphs.openvino_folder import converted, write_openvino
from maskwright.inference.graphs.rectangles import filler, like_lengths, of_texts
from maskwright.inference.graphs.runtimes import OnnxRuntime, OpenVino, Runtime
from maskwright.inference.texts import Text
from maskwright.layers.equalised import equalised, largest_inputs
from maskwright.progress import Progress, silent

if TYPE_CHECKING:
    import onnx

GraphForm = Literal["onnx", "openvino"]
CALIBRATED_AT_ONCE = 1024
"""Tokens of a rectangle: the quantizer keeps what it saw of all of them."""


class Wanted(NamedTuple):
    """What is to be exported, and by what it is measured.

    pooling, normalize   of sentence vectors; None: as the folder says, else mean, and any length
    as_int8              products of 8-bit integers
    bound                of int8 the worst cosine that is still written
    texts                a file of texts to measure on; None: sentences of the sample texts
    calibrate            a file of texts to find ranges by, for int8; None: other sentences of them
    test                 a labelled table, to score the task before and after
    """

    pooling: Pooling | None = None
    normalize: bool | None = None
    as_int8: bool = False
    bound: float = int8.BOUND
    texts: str | Path | None = None
    calibrate: str | Path | None = None
    test: str | None = None


AS_IS = Wanted()


class _Candidate(NamedTuple):
    """A graph and what was measured of it."""

    graph: "onnx.ModelProto"
    closeness: Closeness


def export_graph(
    model: str | Path, out: str | Path, form: GraphForm = "onnx", wanted: Wanted = AS_IS, progress: Progress = silent
) -> tuple[Path, GraphFacts]:
    """Write the model folder `model` as a graph; returns where, and what the graph says of itself.

    out   onnx: a file (x.onnx), in which all is; or a folder, which gets that file as model.onnx and the tokenizer's
          files beside it for other libraries. openvino: a folder

    Raises BadInput for a model that is no graph, where `out` is there already, and where int8 loses more than the
    bound allows.
    """
    out = Path(out)
    if out.exists():
        raise BadInput(f"{out} exists already: choose another name or remove it")
    if not -1 <= wanted.bound <= 1:
        raise BadInput(f"bound {wanted.bound}: a cosine lies between -1 and 1")
    if not out.absolute().parent.is_dir():
        raise BadInput(f"{out.absolute().parent} is not there: make the folder first, or choose another")
    if wanted.as_int8 and form == "openvino":
        raise BadInput("int8 is for onnx: OpenVINO makes float32 of such graphs again; export to openvino without it")
    encoder = load(model)
    module, facts = exported(encoder, wanted.pooling, wanted.normalize, str(model))
    work = _Work(encoder, module, facts, form, wanted, progress)
    graph, facts = work.certified()
    if form == "openvino":
        return write_openvino(graph, out, facts, encoder.tokenizer), facts
    metadata = packed(facts, encoder.tokenizer)
    if out.suffix == ".onnx":
        return write_onnx(graph, out, metadata), facts
    with staged_folder(out) as folder:
        write_onnx(graph, folder / ONNX, metadata)
        encoder.tokenizer.save_into(folder)
    return out, facts


class _Work:
    """One export."""

    def __init__(
        self,
        encoder: Encoder,
        module: Exported,
        facts: GraphFacts,
        form: GraphForm,
        wanted: Wanted,
        progress: Progress,
    ) -> None:
        self.encoder, self.module, self.facts, self.form = encoder, module, facts, form
        self.wanted, self.progress = wanted, progress
        if wanted.texts is not None:
            self.texts, self.source = texts_of(wanted.texts), str(wanted.texts)
        else:
            self.texts, languages = sample_texts(encoder, odd=True)
            self.source = f"sentences of the sample texts, {' and '.join(languages)}"
        self.reference = encoder.encode(self.texts, facts.pooling, facts.normalize, truncate=True)

    def certified(self) -> "tuple[onnx.ModelProto, GraphFacts]":
        """The graph, and its facts with what was measured."""
        with self.progress.stage("export", total=2 + len(int8.WAYS) * self.wanted.as_int8, unit="graphs") as stage:
            graph = onnx_of(self.module, inputs_of(self.facts))
            stage.advance()
            exact = self._candidate(graph)
            stage.advance()
            measured: dict[str, Any] = {"float32": exact.closeness._asdict()}
            chosen, precision = exact, "float32"
            if self.wanted.as_int8:
                tried: dict[str, _Candidate] = {}
                for way in int8.WAYS:
                    tried[way] = self._candidate(self._int8(graph, way))
                    stage.advance(note=f"{way}: worst cosine {tried[way].closeness.worst_cosine:.4f}")
                best = max(tried, key=lambda way: tried[way].closeness.worst_cosine)
                chosen, precision = tried[best], "int8"
                measured["int8"] = {way: one.closeness._asdict() for way, one in tried.items()}
                measured["chosen"], measured["bound"] = best, self.wanted.bound
                self._refuse_worse(measured["int8"], best)
        certificate: dict[str, Any] = {
            "reference": f"maskwright's own encoder in float32, torch {torch.__version__}",
            "texts": len(self.texts),
            "tokens": sum(len(one.ids) for one in self.encoder.encoded(self.texts, truncate=True)),
            "source": self.source,
            **measured,
        }
        ready = self.facts.with_changes(precision=precision)
        with TemporaryDirectory(prefix="maskwright-graph-") as folder:
            runtime = self._runtime(chosen.graph, Path(folder))
            certificate["runtime"] = runtime.name
            if self.wanted.test is not None:
                before = task_score(self.encoder, self.wanted.test)
                after = task_score(GraphEncoder(runtime, ready, self.encoder.tokenizer), self.wanted.test)
                certificate["task"] = {
                    "test": str(self.wanted.test), "measure": before.measure,
                    "before": before.value, "after": after.value,
                }  # fmt: skip
        return chosen.graph, ready.with_changes(certificate=certificate)

    def _candidate(self, graph: "onnx.ModelProto") -> _Candidate:
        """A graph, measured as it will be run."""
        with TemporaryDirectory(prefix="maskwright-graph-") as folder:
            made = GraphEncoder(self._runtime(graph, Path(folder)), self.facts, self.encoder.tokenizer)
            vectors = made.encode(self.texts, truncate=True)
        return _Candidate(graph, closeness(vectors, self.reference))

    def _runtime(self, graph: "onnx.ModelProto", folder: Path) -> Runtime:
        if self.form == "openvino":
            return OpenVino(converted(graph, folder / OPENVINO))
        return OnnxRuntime(graph.SerializeToString())

    def _int8(self, graph: "onnx.ModelProto", way: int8.Way) -> "onnx.ModelProto":
        if way == "dynamic":
            return int8.dynamic(graph)
        texts = self._calibration()
        network = self.encoder.model.encoder
        largest = largest_inputs(network, lambda: self.encoder.token_vectors(texts, truncate=True))
        module = Exported(
            equalised(network, largest), self.module.pooling, self.module.head,
            normalize=self.module.normalize, language=self.module.rectangle.language,
        )  # fmt: skip
        even = onnx_of(module.eval(), inputs_of(self.facts))
        return int8.dynamic(even) if way == "dynamic, equalised" else int8.static(even, self._batches(texts))

    def _calibration(self) -> Sequence[Text]:
        if self.wanted.calibrate is not None:
            return texts_of(self.wanted.calibrate)
        return sample_texts(self.encoder, odd=False)[0]

    def _batches(self, texts: Sequence[Text]) -> list[int8.Inputs]:
        encoded = self.encoder.encoded(texts, truncate=True)
        lengths = np.array([len(one.ids) for one in encoded], np.int64)
        return [
            of_texts([encoded[i] for i in which], inputs_of(self.facts), filler(self.encoder.tokenizer))
            for which in like_lengths(lengths, CALIBRATED_AT_ONCE)
        ]

    def _refuse_worse(self, tried: dict[str, Any], best: str) -> None:
        if tried[best]["worst_cosine"] >= self.wanted.bound:
            return
        told = ", ".join(f"{way} {one['worst_cosine']:.4f}" for way, one in tried.items())
        raise BadInput(
            f"int8 loses too much: the worst cosine is {told}, the bound {self.wanted.bound}: export it in float32, "
            "give texts like your own by --calibrate, or lower --bound"
        )
