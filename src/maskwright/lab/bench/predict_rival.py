"""The other side of predictions: `pipeline("text-classification")` of transformers. A process of its own."""

import logging
from typing import Any

import torch

from maskwright.lab.bench.clock import told
from maskwright.lab.bench.predict_ours import rates, read_texts


def measure(*, model: str, examples: str, texts: int, precision: str, batch: int, seconds: float) -> dict[str, Any]:
    """Texts and their tokens a second, by the median of whole calls; what was said of the first ones, and its share."""
    from transformers import AutoTokenizer, pipeline

    logging.getLogger("transformers").setLevel(logging.ERROR)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    classify: Any = pipeline("text-classification", model=model, dtype=dtype, device="cpu")
    given = read_texts(examples, texts)
    said: list[Any] = []

    def predict() -> None:
        said[:] = classify(given, truncation=True, batch_size=batch)

    lengths = [len(ids) for ids in AutoTokenizer.from_pretrained(model)(given, truncation=True)["input_ids"]]
    padded = sum(max(lengths[i : i + batch]) * len(lengths[i : i + batch]) for i in range(0, len(lengths), batch))
    measured = rates(predict, seconds, len(given), sum(lengths))
    return {**measured, "real": sum(lengths) / padded, "said": [[one["label"], one["score"]] for one in said[:20]]}


if __name__ == "__main__":
    told(measure)
