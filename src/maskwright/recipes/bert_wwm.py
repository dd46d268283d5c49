"""BERT that hides whole words: the pieces of a word together, or none of them.

Differs from `bert` in the masks alone: words in random order are hidden as long as all of one fits into 15 % of the
tokens, and each of its pieces becomes [MASK], a random token or stays by itself, 80/10/10
(google-research/bert, README of 31 May 2019 and `create_pretraining_data.py` with do_whole_word_mask).
Published for the size large. Words are those of the corpus, so this is the same recipe in every language.
"""

from maskwright.models.bert import SIZES
from maskwright.objectives.masked_lm import MasksConfig
from maskwright.recipes import bert
from maskwright.training.masked_recipe import Recipe, build, check, data, finish, rates

__all__ = ["DEFAULT_SIZE", "SIZES", "Recipe", "build", "check", "data", "finish", "rates", "recipe"]

DEFAULT_SIZE = "large"


def recipe(size: str, corpus: str, vocab_size: int) -> Recipe:
    """BERT of a published size, hiding whole words."""
    return bert.recipe(size, corpus, vocab_size).with_changes(recipe="bert_wwm", masks=MasksConfig(unit="word"))
