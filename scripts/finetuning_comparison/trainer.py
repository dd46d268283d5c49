"""The other side: `transformers`' Trainer on the same rows, by the same recipe. Nothing of maskwright is in it.

    python trainer.py '{"model": ..., "train": ..., "dev": ..., "shape": ..., ...}'

What it answers for the rows to judge by goes to the file "out", with the seconds that training took.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import transformers

IGNORED = -100
AT_ONCE = 32  # rows judged


def main() -> None:
    """Train, answer, write."""
    given = json.loads(sys.argv[1])
    torch.set_num_threads(given["threads"])
    transformers.logging.set_verbosity_error()
    transformers.set_seed(given["seed"])
    train, dev = (_rows(given[part]) for part in ("train", "dev"))
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(given["model"])
    shape = given["shape"]
    labels = labels_of(train, shape)
    model = network(given["model"], shape, labels, given["dropout"])
    features = [encoded(row, shape, labels, tokenizer, given["length"]) for row in train]
    steps = -(-len(train) // given["batch"]) * given["epochs"]
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            folder, per_device_train_batch_size=given["batch"], learning_rate=given["rate"],
            max_steps=max(1, round(steps)), warmup_steps=round(given["warmup"] * max(1, round(steps))),
            lr_scheduler_type="linear", weight_decay=given["decay"], adam_epsilon=given["epsilon"],
            max_grad_norm=given["clip"], bf16=given["precision"] == "bf16", seed=given["seed"],
            use_cpu=not torch.cuda.is_available(), save_strategy="no", logging_strategy="no", report_to="none",
            disable_tqdm=True, remove_unused_columns=False,
        )  # fmt: skip
        trainer = transformers.Trainer(model, arguments, lambda rows: collated(rows, shape, tokenizer), features)  # type: ignore[arg-type]
        begun, busy = time.perf_counter(), time.process_time()
        trainer.train()
        told: dict[str, Any] = {"seconds": time.perf_counter() - begun, "cpu_seconds": time.process_time() - busy}
    told["answers"] = answers(model.float().eval(), dev, shape, labels, tokenizer, given["length"])
    told["steps"] = trainer.state.global_step
    Path(given["out"]).write_text(json.dumps(told), "utf-8")


def labels_of(rows: list[dict[str, Any]], shape: str) -> list[str]:
    """Names of classes or tags, sorted; of numbers one, of options none."""
    match shape:
        case "classification":
            return sorted({row["label"] for row in rows})
        case "tagging":
            return sorted({tag for row in rows for tag in row["tags"]})
        case "segmentation":
            return ["B", "E", "M", "S"]
        case _:
            return ["score"]


def network(model: str, shape: str, labels: list[str], dropout: float) -> Any:
    """The class of transformers for a shape, its head new."""
    match shape:
        case "tagging" | "segmentation":
            kind, more = transformers.AutoModelForTokenClassification, {"num_labels": len(labels)}
        case "choice":
            kind, more = transformers.AutoModelForMultipleChoice, {}
        case "regression":
            kind = transformers.AutoModelForSequenceClassification
            more = {"num_labels": 1, "problem_type": "regression"}
        case _:
            kind, more = transformers.AutoModelForSequenceClassification, {"num_labels": len(labels)}
    return kind.from_pretrained(model, classifier_dropout=dropout, **more)


def encoded(row: dict[str, Any], shape: str, labels: list[str], tokenizer: Any, length: int) -> dict[str, Any]:
    """Ids of a row and what is right; of a choice a list of ids for each option."""
    cut = {"truncation": True, "max_length": length, "padding": False}
    match shape:
        case "tagging" | "segmentation":
            words, tags = tagged(row, shape)
            found = tokenizer(words, is_split_into_words=True, **cut)
            its, before = list[int](), None
            for place in found.word_ids():
                its.append(IGNORED if place is None or place == before else labels.index(tags[place]))
                before = place
            return {**found, "labels": its}
        case "choice":
            found = tokenizer([row["first"]] * len(row["options"]), row["options"], **cut)
            return {**found, "labels": row["label"]}
        case _:
            found = tokenizer(row["text"], row.get("pair"), **cut)
            right = float(row["label"]) if shape == "regression" else labels.index(row["label"])
            return {**found, "labels": right}


def tagged(row: dict[str, Any], shape: str) -> tuple[list[str], list[str]]:
    """Words and their tags; of segmented words their characters, and where words begin and end."""
    if shape == "tagging":
        return row["words"], row["tags"]
    tags = [tag for word in row["words"] for tag in ("S" if len(word) == 1 else "B" + "M" * (len(word) - 2) + "E")]
    return list("".join(row["words"])), tags


def collated(rows: list[dict[str, Any]], shape: str, tokenizer: Any) -> dict[str, torch.Tensor]:
    """Padded to the longest of them."""
    inputs = [{key: value for key, value in row.items() if key != "labels"} for row in rows]
    right = [row["labels"] for row in rows]
    if shape == "choice":
        flat = [{key: one[key][i] for key in one} for one in inputs for i in range(len(one["input_ids"]))]
        made = tokenizer.pad(flat, return_tensors="pt")
        return {**{key: value.view(len(rows), -1, value.shape[-1]) for key, value in made.items()},
                "labels": torch.tensor(right)}  # fmt: skip
    made = dict(tokenizer.pad(inputs, return_tensors="pt"))
    if shape in ("tagging", "segmentation"):
        longest = made["input_ids"].shape[1]
        right = [its + [IGNORED] * (longest - len(its)) for its in right]
    return {**made, "labels": torch.tensor(right)}


@torch.inference_mode()
def answers(
    model: Any, rows: list[dict[str, Any]], shape: str, labels: list[str], tokenizer: Any, length: int
) -> list[Any]:
    """A class, a number, tags, or the place of an option for each row, in float32. What is right is not looked at."""
    said: list[Any] = []
    for first in range(0, len(rows), AT_ONCE):
        some = rows[first : first + AT_ONCE]
        inputs = collated([{**_blank(row, shape, labels, tokenizer, length)} for row in some], shape, tokenizer)
        asked = inputs.pop("labels")
        scores = model(**{name: value.to(model.device) for name, value in inputs.items()}).logits.cpu()
        if shape in ("tagging", "segmentation"):
            best = scores.argmax(-1)
            for row, its, where in zip(some, best, asked != IGNORED, strict=True):
                said.append(_of_words(its[where].tolist(), row, shape, labels, tokenizer, length))
        elif shape == "regression":
            said += scores[:, 0].tolist()
        else:
            best = scores.argmax(-1).tolist()
            said += best if shape == "choice" else [labels[i] for i in best]
    return said


def _blank(row: dict[str, Any], shape: str, labels: list[str], tokenizer: Any, length: int) -> dict[str, Any]:
    """The row without what is right in it."""
    match shape:
        case "tagging":
            row = {**row, "tags": [labels[0]] * len(row["words"])}
        case "choice" | "regression":
            row = {**row, "label": 0}
        case "classification":
            row = {**row, "label": labels[0]}
        case _:
            pass
    return encoded(row, shape, labels, tokenizer, length)


def _of_words(
    found: list[int], row: dict[str, Any], shape: str, labels: list[str], tokenizer: Any, length: int
) -> list[str]:
    """A tag for each word; for those that have no piece, or are cut away, one that says nothing."""
    words, _ = tagged(row, shape)
    places = tokenizer(words, is_split_into_words=True, truncation=True, max_length=length, padding=False).word_ids()
    tags = ["S" if shape == "segmentation" else "O"] * len(words)
    for place, tag in zip(dict.fromkeys(place for place in places if place is not None), found, strict=True):
        tags[place] = labels[tag]
    return tags


def _rows(file: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(file).read_text("utf-8").splitlines()]


if __name__ == "__main__":
    main()
