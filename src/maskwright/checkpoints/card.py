"""The model card: what a folder's README.md tells of the model in it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

from maskwright.checkpoints.tensor_names import with_article
from maskwright.models import ModelConfig, published
from maskwright.models.xlnet import XlnetConfig

# How names of classes of transformers end -> the task, and the class that finds them.
USES = {
    "ForPreTraining": ("fill-mask", "AutoModelForPreTraining"),
    "ForMaskedLM": ("fill-mask", "AutoModelForMaskedLM"),
    "WithLMHeadModel": ("fill-mask", "AutoModelForMaskedLM"),
    "LMHeadModel": ("text-generation", "AutoModelForCausalLM"),
    "ForSequenceClassification": ("text-classification", "AutoModelForSequenceClassification"),
    "ForTokenClassification": ("token-classification", "AutoModelForTokenClassification"),
    "ForQuestionAnswering": ("question-answering", "AutoModelForQuestionAnswering"),
    "ForQuestionAnsweringSimple": ("question-answering", "AutoModelForQuestionAnswering"),
    "ForMultipleChoice": ("multiple-choice", "AutoModelForMultipleChoice"),
    "ForNextSentencePrediction": ("text-classification", "AutoModelForNextSentencePrediction"),
    "Model": ("feature-extraction", "AutoModel"),
}


class Above(Protocol):
    """What stands above an encoder, such as `task_folder.TaskFile`."""

    @property
    def described(self) -> str:
        """It in words."""
        ...

    @property
    def example(self) -> str:
        """A line that asks it."""
        ...


def model_card(
    name: str,
    config: ModelConfig,
    architecture: str,
    facts: Mapping[str, Any],
    *,
    mask: str = "[MASK]",
    above: Above | None = None,
) -> str:
    """Markdown with the front matter that model hubs read.

    facts   heading -> one value, or a table of them; text from elsewhere is shown as text
    mask    what stands for a token to be guessed
    above   what stands above the encoder, where no class of transformers has it
    """
    task, loader = next(use for ending, use in USES.items() if architecture.endswith(ending))
    network = published(config.model_type)
    kind = "language model" if task == "text-generation" else "encoder"
    encoder = with_article(f"{network.name} {kind} ({network.paper})")
    about = (
        f"{encoder[0].upper()}{encoder[1:]} with {config.num_hidden_layers} layers of width {config.hidden_size}, "
        f"{config.num_attention_heads} attention heads, {config.vocab_size:,} tokens and "
        f"{'no' if isinstance(config, XlnetConfig) else config.longest} positions, pretrained with maskwright."
    )
    lines = [
        "---",
        "library_name: transformers",
        f"pipeline_tag: {task}",
        "tags:",
        f"- {config.model_type}",
        "- maskwright",
        "---",
        "",
        f"# {_plain(name)}",
        "",
        about,
        *(["", above.described] if above else []),
        "",
        "```python",
        "import maskwright as mw",
        "",
        'encoder = mw.load("this/folder")',
        *([above.example] if above else []),
        'vectors = encoder.encode(["a text", "another"])',
        *([f'guesses = encoder.fill("a text with a {mask} in it")'] if task == "fill-mask" else []),
        *(['answers = encoder.predict(["a text", "another"])'] if loader.endswith("SequenceClassification") else []),
        *(['answers = encoder.answer("a question?", "a context")'] if task == "question-answering" else []),
        *(['chosen = encoder.choose("a text", ["an option", "another"])'] if task == "multiple-choice" else []),
        "```",
        "",
        "```python",
        f"from transformers import AutoTokenizer, {loader}",
        "",
        f'model = {loader}.from_pretrained("this/folder")',
        'tokenizer = AutoTokenizer.from_pretrained("this/folder")',
        "```",
        "",
    ]
    return "\n".join([*lines, *_sections(facts)])


def static_card(
    name: str,
    model_type: str,
    about: str,
    examples: Sequence[str],
    facts: Mapping[str, Any],
    *,
    above: Above | None = None,
) -> str:
    """The card of a model of our own: what it is in a sentence, lines that use it, and the same tables.

    above   what stands above it
    """
    examples = [*([above.example] if above else []), *examples]
    lines = [
        *("---", "library_name: maskwright", "pipeline_tag: feature-extraction"),
        *("tags:", f"- {model_type}", "- maskwright", "---", ""),
        *(f"# {_plain(name)}", "", about, *(["", above.described] if above else []), ""),
        *("```python", "import maskwright as mw", "", 'encoder = mw.load("this/folder")', *examples, "```", ""),
    ]
    return "\n".join([*lines, *_sections(facts)])


def _sections(facts: Mapping[str, Any]) -> Iterator[str]:
    """A table for the single values, and one for each table."""
    single = {heading: value for heading, value in facts.items() if not isinstance(value, Mapping)}
    tables = {heading: value for heading, value in facts.items() if isinstance(value, Mapping)}
    for heading, table in {**({"Training": single} if single else {}), **tables}.items():
        yield from (f"## {_plain(heading)}", "", *_rows(cast("Mapping[str, Any]", table)), "")


def _rows(table: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    if not prefix:
        yield from ("| | |", "| --- | --- |")
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _rows(cast("Mapping[str, Any]", value), f"{prefix}{name}.")
        else:
            yield f"| {_plain(prefix + str(name))} | {_plain(_shown(value))} |"


def _shown(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_shown(item) for item in cast("Sequence[object]", value))
    return str(value)


def _plain(text: object) -> str:
    """One line in which nothing is markup."""
    words = " ".join(str(text).split())
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#~" else c for c in words)
