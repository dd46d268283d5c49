"""Our side of predictions: `mw.load(folder).predict(texts)`, encoding included."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import maskwright as mw
from maskwright.lab.bench.clock import time_steps, told

DTYPES: dict[str, Literal["bfloat16", "float32"]] = {"bf16": "bfloat16", "float32": "float32"}


def measure(*, model: str, examples: str, texts: int, precision: str, seconds: float) -> dict[str, Any]:
    """Texts and their tokens a second, by the median of whole calls; what was said of the first ones, and its share."""
    encoder: Any = mw.load(model, dtype=DTYPES[precision])
    given = read_texts(examples, texts)
    said: list[Any] = []

    def predict() -> None:
        said[:] = encoder.predict(given, truncate=True)

    tokens = sum(len(encoder.tokenize(text, truncate=True)) for text in given)
    return {
        **rates(predict, seconds, len(given), tokens),
        "said": [[one.label, max(one.shares.values())] for one in said[:20]],
    }


def read_texts(examples: str, count: int) -> list[str]:
    """The first so many texts."""
    return [json.loads(line)["text"] for line in Path(examples).read_text("utf-8").splitlines()[:count]]


def rates(predict: Callable[[], object], seconds: float, texts: int, tokens: int) -> dict[str, Any]:
    """Of calls that each predict for so many texts of so many tokens in all."""
    measured = time_steps(predict, seconds=seconds, warm_up=1).told(tokens)
    return {**measured, "examples_per_second": measured["tokens_per_second"] * texts / tokens, "real": 1.0}


if __name__ == "__main__":
    told(measure)
