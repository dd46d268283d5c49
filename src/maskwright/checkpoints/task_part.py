"""What a folder of a fine-tuned model says of its task: in config.json, and in the tensors of its head.

`transformers` tells the task by the class's name, the labels by `id2label`, and what the scores mean by
`problem_type`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from torch import nn

from maskwright.checkpoints.config_file import CONFIG, read_json
from maskwright.checkpoints.published_weights import all_tensors, check_shape, copy_values
from maskwright.checkpoints.span_settings import SpanSettings, span_settings
from maskwright.errors import BadInput
from maskwright.layers.weight_names import Published, WeightName
from maskwright.objectives.sequence_scores import Asks

SEQUENCES, TOKENS = "ForSequenceClassification", "ForTokenClassification"
SPANS, OPTIONS = "ForQuestionAnswering", "ForMultipleChoice"
SIMPLE = ("XLM", "XLNet")
"""Networks whose classes of that name search for ends from each start; those that do not end in `Simple`."""
PROBLEMS: dict[Asks, str] = {
    "class": "single_label_classification",
    "classes": "multi_label_classification",
    "number": "regression",
}
SUMMARIES: dict[str, dict[str, object]] = {
    "xlm": {
        "summary_type": "first", "summary_use_proj": True, "summary_activation": None, "summary_proj_to_labels": True,
    },
    "xlnet": {"summary_type": "last", "summary_use_proj": True, "summary_activation": "tanh"},
}  # fmt: skip
"""How a sequence becomes one vector in the classes whose configuration could say otherwise (`layers.summary`)."""
MOST_LABELS = 65_536
SEGMENTS = ("B", "E", "M", "S")
"""The tags of characters that make words: begin, end, middle, single."""
OF_TOKENS: tuple[Asks, ...] = ("tags", "words")
"""What classes ForTokenClassification are asked."""


class TaskPart(NamedTuple):
    """What a fine-tuned model answers.

    asks     one class of several, any number of several, a number, a tag for each word, the words of characters, where
             an answer stands, or which option is right
    labels   their names, in the order of the scores; of a number its name; of answers and options none
    span     how a model that says where an answer stands reads; None for others
    """

    asks: Asks
    labels: tuple[str, ...]
    span: SpanSettings | None = None

    def settings(self) -> dict[str, Any]:
        """What config.json says of it."""
        if self.asks in ("span", "option"):
            return {} if self.span is None else self.span.settings()
        problem = {} if self.asks in OF_TOKENS else {"problem_type": PROBLEMS[self.asks]}
        return {
            "id2label": {str(i): label for i, label in enumerate(self.labels)},
            "label2id": {label: i for i, label in enumerate(self.labels)},
            **problem,
        }


def read_task(folder: Path) -> TaskPart | None:
    """The task of a folder's model; None for one that was not fine-tuned. BadInput names a key that is wrong."""
    said = read_json(folder / CONFIG)
    architectures: object = said.get("architectures") or []
    first = architectures[0] if isinstance(architectures, list) and architectures else ""
    if not (isinstance(first, str) and first.endswith((SEQUENCES, TOKENS, SPANS, f"{SPANS}Simple", OPTIONS))):
        return None
    where = folder / CONFIG
    labels = _labels(said.get("id2label"), where)
    if first.endswith(TOKENS):
        return TaskPart("words" if set(labels) == set(SEGMENTS) else "tags", labels)
    if first.endswith((SPANS, f"{SPANS}Simple")):
        if first.endswith(tuple(network + SPANS for network in SIMPLE)):
            raise BadInput(f"{where}: {first} searches for ends from each start: only {first}Simple is read")
        _refuse_more_labels(first, labels, where)
        return TaskPart("span", (), span_settings(said, where))
    for key, wanted in SUMMARIES.get(str(said.get("model_type")), {}).items():
        if (value := said.get(key, wanted)) != wanted:
            raise BadInput(f"{where}: {key} is {json.dumps(value):.60}: only {json.dumps(wanted)} is read")
    if first.endswith(OPTIONS):
        if said.get("model_type") == "xlm":
            _refuse_more_labels(first, labels, where)
        return TaskPart("option", ())
    problem = said.get("problem_type")
    if problem is None:  # what transformers takes then
        return TaskPart("number" if len(labels) == 1 else "class", labels)
    asks: Asks | None = next((asks for asks, name in PROBLEMS.items() if name == problem), None)
    if asks is None:
        raise BadInput(f"{where}: problem_type is {json.dumps(problem):.60}: there are {', '.join(PROBLEMS.values())}")
    return TaskPart(asks, labels)


def _refuse_more_labels(architecture: str, labels: Sequence[str], where: Path) -> None:
    """For classes of which two labels make two numbers, whatever they are called."""
    if len(labels) != 2:
        raise BadInput(f"{where}: {architecture} with {len(labels)} labels: only one with two is read")


def _labels(value: object, where: Path) -> tuple[str, ...]:
    """Names in the order of their numbers; two of them where nothing is said, as in transformers."""
    if value is None:
        return ("LABEL_0", "LABEL_1")
    table = cast("Mapping[str, object]", value) if isinstance(value, dict) else {}
    names = [table.get(str(i)) for i in range(min(len(table), MOST_LABELS))]
    if not names or len(table) > MOST_LABELS or not all(isinstance(name, str) for name in names):
        raise BadInput(f"{where}: id2label numbers 1 to {MOST_LABELS:,} names from 0 on, and this one does not")
    return tuple(cast("list[str]", names))


def head_class(there: Published, asks: Asks) -> str:
    """The class of `transformers` with such a head on a network. BadInput where there is none."""
    if asks in OF_TOKENS and there.tasks == "OpenAIGPT":
        raise BadInput("transformers has no class of GPT that tags words: take another encoder")
    if asks == "span" and there.tasks == "OpenAIGPT":
        raise BadInput("transformers has no class of GPT that answers questions: take GPT-2 or another encoder")
    if asks == "option" and there.tasks in ("OpenAIGPT", "GPT2"):
        raise BadInput(f"transformers has no class of {there.name} that chooses options alone: take another encoder")
    if asks == "span":
        return there.tasks + SPANS + ("Simple" if there.tasks in SIMPLE else "")
    if asks == "option":
        return there.tasks + OPTIONS
    return there.tasks + (TOKENS if asks in OF_TOKENS else SEQUENCES)


def fill_head(folder: Path, names: Sequence[WeightName], head: nn.Module) -> None:
    """Read the weights of a head into it; BadInput names a tensor that is missing or has another shape.

    names   the head's own table, published names without any prefix
    """
    there = {stored.name: stored for stored in all_tensors(folder)}
    parameters = dict(head.named_parameters())
    for name in names:
        for published, part in name.parts(parameters[name.ours].detach()).items():
            if published not in there:
                raise BadInput(f"{folder}: the tensor {published} is missing: its config.json promises a head for it")
            check_shape(there[published], part)
            copy_values(there[published], part)
