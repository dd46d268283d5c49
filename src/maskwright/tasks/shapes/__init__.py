"""The shapes of tasks: a file is one shape, and its name is the shape's. Each offers what `tasks.data.Shape` says."""

import importlib
import pkgutil
from typing import Any, cast

from maskwright.tasks.data import Shape


def names() -> list[str]:
    """The shapes there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def shape(name: str) -> Shape:
    """The module of a shape, one of `names`."""
    module: Any = importlib.import_module(f"{__name__}.{name}") if name in names() else None
    if module is None:
        raise ValueError(f"there is no shape {name}")
    return cast("Shape", module)
