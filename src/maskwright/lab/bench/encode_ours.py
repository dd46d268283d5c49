"""Our side of vectors: `mw.load(model).encode(texts)`, tokenising included. It makes the graph of ours, too."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

import maskwright as mw
from maskwright.lab.bench.clock import time_steps, told

Dtype = Literal["float32", "bfloat16", "int8"]


def measure(
    *, model: str, texts: str, seconds: float, dtype: Dtype = "float32", out: str = "", make: str = ""
) -> dict[str, Any]:
    """Texts and their tokens a second, by the median of whole calls; the vectors go to `out`.

    make   where an exported graph in int8 is left instead
    """
    if make:
        from maskwright.inference.graphs.exporting import Wanted, export_graph

        # whatever its cosine is: this measures, and shows it
        return export_graph(model, make, "onnx", Wanted(as_int8=True, bound=-1.0))[1].certificate
    encoder: Any = mw.load(model, dtype=dtype)
    given = read_texts(texts)
    tokens = sum(len(encoder.tokenize(text)) for text in given)
    return measured(lambda: encoder.encode(given), given, tokens, seconds, out)


def read_texts(path: str) -> list[str]:
    """All of them."""
    return json.loads(Path(path).read_text("utf-8"))


def measured(encode: Callable[[], Any], texts: list[str], tokens: int, seconds: float, out: str) -> dict[str, Any]:
    """Of calls that each encode all texts, of so many tokens in all, special ones included."""
    np.save(out, np.asarray(encode(), dtype=np.float32))
    found = time_steps(encode, seconds=seconds, warm_up=1).told(tokens)
    return {**found, "texts": len(texts), "texts_per_second": found["tokens_per_second"] * len(texts) / tokens}


if __name__ == "__main__":
    told(measure)
