"""Whose tensors these are, by their names: a name in the one spelling we go on with, and the network it points to."""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import cache

from maskwright.models import module_of, published
from maskwright.models import names as module_names

BUFFERS = re.compile(r"(.*\.)?(position_ids|token_type_ids|attn\.(masked_)?bias)")
# of fine-tuned models; the encoder below them is read
OTHER_HEADS = (
    "classifier.", "qa_outputs.", "sequence_summary.", "logits_proj.", "start_logits.", "end_logits.", "answer_class.",
    "score."
)  # fmt: skip


def canonical_name(name: str, prefix: str, parts: AbstractSet[str]) -> str | None:
    """The name in a class with heads, None for what is no weight of an encoder or of its pretraining heads.

    prefix   that of the encoder there
    parts    what stands behind it

    >>> canonical_name("encoder.layer.0.output.LayerNorm.gamma", "bert.", {"embeddings", "encoder", "pooler"})
    'bert.encoder.layer.0.output.LayerNorm.weight'
    >>> canonical_name("cls.predictions.bias", "bert.", {"encoder"}), canonical_name("bert.position_ids", "bert.", {""})
    ('cls.predictions.bias', None)
    """
    name = _norm_spelling(name)
    if BUFFERS.fullmatch(name) or name.startswith(OTHER_HEADS):
        return None
    return prefix + name if name.split(".")[0] in parts else name


@cache
def parts_of(model_type: str) -> frozenset[str]:
    """How names of the encoder's tensors begin: "embeddings", "encoder", "pooler" for BERT."""
    return frozenset(name.split(".")[0] for name in _patterns(model_type)[0])


@cache
def _patterns(model_type: str) -> tuple[frozenset[str], frozenset[str]]:
    """The names of a network's tensors with their numbers taken out: of the encoder, and of its heads."""
    module, there = module_of(model_type), published(model_type)
    encoder = {part for name in module.weight_names(module.Config()) for part in name.published}
    return frozenset(map(_without_numbers, encoder)), frozenset(there.heads)


def likeliest(names: Sequence[str], said: str) -> str:
    """The model_type whose names most of these are; `said` where none has more of them."""

    def fitting(model_type: str) -> int:
        (encoder, heads), prefix = _patterns(model_type), published(model_type).prefix
        return sum(
            (plain := _without_numbers(name)).removeprefix(prefix) in encoder or plain.startswith(tuple(heads))
            for name in names
        )

    # each once: xlm-roberta's are roberta's
    others = [name for name in module_names() if name in getattr(module_of(name), "PUBLISHED", {})]
    best = max(others, key=fitting, default=said)
    return best if fitting(best) > fitting(said) else said


def _without_numbers(name: str) -> str:
    return re.sub(r"\.\d+(?=\.)", ".0", _norm_spelling(name))


def _norm_spelling(name: str) -> str:
    """TensorFlow's names of a norm's weight and bias."""
    return re.sub(r"(?<=\.)gamma$", "weight", re.sub(r"(?<=\.)beta$", "bias", name))


def with_article(name: str) -> str:
    """A network's name in a sentence.

    >>> with_article("ALBERT"), with_article("RoBERTa")
    ('an ALBERT', 'a RoBERTa')
    """
    return f"an {name}" if name[0] in "AX" else f"a {name}"
