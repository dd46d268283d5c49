"""The recipes of the loop's Transformers; others have a recipe, and tests, of their own."""

from maskwright.recipes import module_of, names
from maskwright.training import causal_recipe, masked_recipe

MASKED = [name for name in names() if module_of(name).Recipe is masked_recipe.Recipe]
TRANSFORMERS = [name for name in names() if module_of(name).Recipe in (masked_recipe.Recipe, causal_recipe.Recipe)]
