"""SpanBERT: hide spans of words, and predict each of their tokens from the two tokens around them as well.

Joshi et al. (arXiv 1907.10529), section 3 and appendix. Differs from `bert` in the masks, spans of 1 to 10 words whose
number is geometric (p 0.2), masked, randomized or kept as one; in the span boundary objective beside masked language
modelling; in one sequence of sentences of one document instead of two segments, without next sentences, of 512 tokens;
in the regime, 2.4 million steps of 256 sequences, AdamW's epsilon 1e-8 and weight decay 0.1.
"""

from maskwright.models.bert import SIZES, BertConfig
from maskwright.objectives.layouts import LayoutConfig
from maskwright.objectives.masked_lm import MasksConfig
from maskwright.training.masked_recipe import SAMPLE, Recipe, build, check, data, finish, rates
from maskwright.training.optimizers import OptimizerConfig
from maskwright.training.training_config import TrainingConfig

__all__ = ["DEFAULT_SIZE", "SIZES", "Recipe", "build", "check", "data", "finish", "rates", "recipe"]

DEFAULT_SIZE = "base"
MASKS = MasksConfig(
    unit="span",
    span_p=0.2,
    span_words=10,
    fate="unit",
    rounding="up",
    count_specials=False,
    random_specials=False,
    boundary=True,
)


def recipe(size: str, corpus: str, vocab_size: int) -> Recipe:
    """SpanBERT of a size; published are base and large. tiny has a regime for sample texts."""
    steps = 2_400_000
    published = TrainingConfig(steps=steps, batch_sequences=256, micro_sequences=8, warmup_share=10_000 / steps)
    return Recipe(
        recipe="spanbert",
        size=size,
        corpus=corpus,
        model=BertConfig(vocab_size=vocab_size, **SIZES[size]),
        layout=LayoutConfig(kind="doc_sentences", task="none", max_length=128 if size == "tiny" else 512),
        masks=MASKS,
        optimizer=OptimizerConfig(name="adamw", rate=1e-3 if size == "tiny" else 1e-4, epsilon=1e-8, weight_decay=0.1),
        training=SAMPLE if size == "tiny" else published,
    )
