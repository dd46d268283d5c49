"""How many weights an ELMo has, by component, as `parameters` counts those of BERT's family.

The published 13.6, 28.0 and 93.6 million are the encoder alone; the softmax over 793,471 words is not among them.
"""

import re
from collections.abc import Sequence

from maskwright.inference.parameters import Counted, Row
from maskwright.models.elmo import ElmoConfig
from maskwright.training.both_ways_lm import both_ways_lm

# Component, part, the names of the parameters that are counted under it, and the formula.
_COMPONENTS: list[tuple[str, str, str, str]] = [
    ("embeddings", "characters", r"encoder\.characters\.table", "261 E"),
    ("embeddings", "filters", r"encoder\.characters\.filters\..*", "E W + F"),
    ("embeddings", "highways", r"encoder\.characters\.highways\..*", "2 G (F² + F)"),
    ("embeddings", "projection", r"encoder\.characters\.projection\..*", "F P + P"),
    ("forward LSTMs", "", r"encoder\.forward_layers\..*", "L (9 C P + 4 C)"),
    ("backward LSTMs", "", r"encoder\.backward_layers\..*", "L (9 C P + 4 C)"),
    ("head", "words", r"softmax\..*", "(V + 2) (P + 1)"),
]


def count(config: ElmoConfig, heads: Sequence[str] | None = None, *, pooler: bool = False) -> Counted:
    """The parameters of an ELMo of this shape, built without memory for its values.

    heads     none: without the softmax; left out: with it
    """
    counts: dict[tuple[str, str, str], int] = {}
    model = both_ways_lm(config, softmax=heads is None or bool(heads), device="meta")
    for name, parameter in model.named_parameters():
        component, part, _, formula = next(row for row in _COMPONENTS if re.fullmatch(row[2], name))
        counts[component, part, formula] = counts.get((component, part, formula), 0) + parameter.numel()
    places = [(row[0], row[1]) for row in _COMPONENTS]
    rows = [Row(*key, number) for key, number in sorted(counts.items(), key=lambda one: places.index(one[0][:2]))]
    encoder = sum(row.parameters for row in rows if row.component != "head")
    return Counted(rows, encoder, encoder, sum(row.parameters for row in rows))


def formulas(config: ElmoConfig) -> dict[str, str]:
    """The formula of each component, or of its part, in the letters of `letters`."""
    parts = {part or component: formula for component, part, _, formula in _COMPONENTS}
    return {**parts, "embeddings": "E (261 + W) + F + 2 G (F² + F) + (F + 1) P"}


def letters(config: ElmoConfig) -> dict[str, int]:
    """What the letters of the formulas stand for.

    E   size of a character's vector    F   filters            W   their widths, summed    G   highways
    P   size of a word's vector         C   cells of an LSTM
    """
    return {
        "V": config.vocab_size,
        "H": config.hidden_size,
        "L": config.num_hidden_layers,
        "P": config.projection_size,
        "C": config.cell_size,
        "E": config.character_size,
        "F": sum(number for _, number in config.filters),
        "W": sum(width * number for width, number in config.filters),
        "G": config.num_highways,
    }
