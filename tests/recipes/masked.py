"""The recipes of masked pretraining; others have a recipe of their own."""

from maskwright.recipes import module_of, names
from maskwright.training.masked_recipe import Recipe

MASKED = [name for name in names() if module_of(name).Recipe is Recipe]
