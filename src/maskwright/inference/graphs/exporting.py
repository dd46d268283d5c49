"""A model folder -> a graph with its tokenizer, pooling and certificate: `maskwright export --to onnx`, or openvino."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch

from maskwright.errors import BadInput
from maskwright.inference.encoder import Encoder
from maskwright.inference.encoder_loading import load
from maskwright.inference.graphs.certificate import (
    Closeness,
    closeness,
    sample_texts,
    task_score,
    texts_of,
)
from maskwright.inference.graphs.encoder import GraphEncoder
from maskwright.inference.graphs.facts import GraphFacts, Pooling
from maskwright.inference.graphs.forms import Form, Inputs
from maskwright.inference.graphs.network import Exported, exported, inputs_of
from maskwright.inference.graphs.one_file import ZIP
from maskwright.inference.graphs.onnx_file import onnx_of
from maskwright.inference.graphs.onnx_form import OnnxForm
from maskwright.inference.graphs.openvino_form import OpenVinoForm
from maskwright.inference.graphs.rectangles import filler, like_lengths, of_texts
from maskwright.inference.texts import Text
from maskwright.layers.equalised import equalised, largest_inputs
from maskwright.progress import Progress, silent

if TYPE_CHECKING:
    import onnx

GraphForm = Literal["onnx", "openvino"]
FORMS: dict[GraphForm, type[Form]] = {"onnx": OnnxForm, "openvino": OpenVinoForm}
BOUND = 0.98
"""The worst cosine of int8 that is still exported."""
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
    bound: float = BOUND
    texts: str | Path | None = None
    calibrate: str | Path | None = None
    test: str | None = None


AS_IS = Wanted()


class _Candidate(NamedTuple):
    """A graph of the form, and what was measured of it."""

    graph: Any
    closeness: Closeness


def export_graph(
    model: str | Path, out: str | Path, form: GraphForm = "onnx", wanted: Wanted = AS_IS, progress: Progress = silent
) -> tuple[Path, GraphFacts]:
    """Write the model folder `model` as a graph; returns where, and what the graph says of itself.

    out   onnx: a file (x.onnx), in which all is; or a folder, which gets that file as model.onnx and the tokenizer's
          files beside it for other libraries. openvino: a folder, or that as one file (x.zip)

    Raises BadInput for a model that is no graph, where `out` is there already, and where int8 loses more than the
    bound allows.
    """
    out = Path(out)
    if out.exists():
        raise BadInput(f"{out} exists already: choose another name or remove it")
    if not -1 <= wanted.bound <= 1:
        raise BadInput(f"bound {wanted.bound}: a cosine lies between -1 and 1")
    if (of := {".onnx": "onnx", ZIP: "openvino"}.get(out.suffix, form)) != form:
        raise BadInput(f"{out} would be a file of --to {of}, and this is {form}: choose another name")
    if not out.absolute().parent.is_dir():
        raise BadInput(f"{out.absolute().parent} is not there: make the folder first, or choose another")
    encoder = load(model)
    module, facts = exported(encoder, wanted.pooling, wanted.normalize, str(model))
    made = FORMS[form]()
    graph, facts = _Work(encoder, module, facts, made, wanted, progress).certified()
    made.write(graph, out, facts, encoder.tokenizer)
    return out, facts


class _Work:
    """One export."""

    def __init__(
        self,
        encoder: Encoder,
        module: Exported,
        facts: GraphFacts,
        form: Form,
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

    def certified(self) -> tuple[Any, GraphFacts]:
        """The graph, and its facts with what was measured."""
        with self.progress.stage("export", total=2 + len(self.form.ways) * self.wanted.as_int8, unit="graphs") as stage:
            graph = onnx_of(self.module, inputs_of(self.facts))
            stage.advance()
            exact = self._candidate(self.form.graph(graph))
            stage.advance()
            measured: dict[str, Any] = {"float32": exact.closeness._asdict()}
            chosen, precision = exact, "float32"
            if self.wanted.as_int8:
                tried: dict[str, _Candidate] = {}
                for way in self.form.ways:
                    tried[way] = self._candidate(self.form.int8(graph, way, self))
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
        runtime = self.form.runtime(chosen.graph)
        certificate["runtime"] = runtime.name
        if self.wanted.test is not None:
            before = task_score(self.encoder, self.wanted.test)
            after = task_score(GraphEncoder(runtime, ready, self.encoder.tokenizer), self.wanted.test)
            certificate["task"] = {
                "test": str(self.wanted.test), "measure": before.measure,
                "before": before.value, "after": after.value,
            }  # fmt: skip
        return chosen.graph, ready.with_changes(certificate=certificate)

    def _candidate(self, graph: Any) -> _Candidate:
        """A graph of the form, measured as it will be run."""
        made = GraphEncoder(self.form.runtime(graph), self.facts, self.encoder.tokenizer)
        return _Candidate(graph, closeness(made.encode(self.texts, truncate=True), self.reference))

    def equalised(self) -> "onnx.ModelProto":
        """See `forms.Calibration`."""
        texts = self._calibration()
        network = self.encoder.model.encoder
        largest = largest_inputs(network, lambda: self.encoder.token_vectors(texts, truncate=True))
        module = Exported(
            equalised(network, largest), self.module.pooling, self.module.head,
            normalize=self.module.normalize, language=self.module.rectangle.language,
        )  # fmt: skip
        return onnx_of(module.eval(), inputs_of(self.facts))

    def batches(self) -> list[Inputs]:
        """See `forms.Calibration`."""
        encoded = self.encoder.encoded(self._calibration(), truncate=True)
        lengths = np.array([len(one.ids) for one in encoded], np.int64)
        return [
            of_texts([encoded[i] for i in which], inputs_of(self.facts), filler(self.encoder.tokenizer))
            for which in like_lengths(lengths, CALIBRATED_AT_ONCE)
        ]

    def _calibration(self) -> Sequence[Text]:
        if self.wanted.calibrate is not None:
            return texts_of(self.wanted.calibrate)
        return sample_texts(self.encoder, odd=False)[0]

    def _refuse_worse(self, tried: dict[str, Any], best: str) -> None:
        if tried[best]["worst_cosine"] >= self.wanted.bound:
            return
        told = ", ".join(f"{way} {one['worst_cosine']:.4f}" for way, one in tried.items())
        raise BadInput(
            f"int8 loses too much: the worst cosine is {told}, the bound {self.wanted.bound}: export it in float32, "
            "give texts like your own by --calibrate, or lower --bound"
        )
