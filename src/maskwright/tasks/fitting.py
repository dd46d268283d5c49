"""What the estimators (`tasks.estimator`) share: their parameters, texts in whatever they come, a run, its model.

Parameters are read, set and copied as scikit-learn's guide for developers says; nothing of it is imported.
"""

import inspect
import json
import math
import shutil
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, cast

from maskwright.config import checked, override, plain
from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.inference.fine_tuned import load_fine_tuned
from maskwright.inference.loading import Loaded
from maskwright.tasks.answering import Task
from maskwright.tasks.data import ShapeName
from maskwright.tasks.learning import learn, recipe_of, usual_of
from maskwright.tasks.recipe import LONGEST, Recipe

AT_ONCE = 1024
"""Examples that are answered at a time."""
LOOKED_AT = 256
"""Of the training examples, by which a run is judged where none are put aside."""

Row = Mapping[str, Any]


def get_params(estimator: Any, deep: bool = True) -> dict[str, Any]:
    """The parameters by name; none of them has parameters of its own, so `deep` changes nothing."""
    del deep
    return {name: getattr(estimator, name) for name in _names(estimator)}


def set_params(estimator: Any, **params: Any) -> Any:
    """Change some parameters; the estimator. ValueError for a name that is none, as in scikit-learn."""
    names = _names(estimator)
    for name, value in params.items():
        if name not in names:
            raise ValueError(f"{type(estimator).__name__} has no parameter {name!r}: it has {', '.join(names)}")
        setattr(estimator, name, value)
    return estimator


def shown(self: Any) -> str:
    """The estimator as it is made, without what is as it would be anyway."""
    signature = inspect.signature(type(self).__init__).parameters
    changed = {name: value for name, value in get_params(self).items() if value != signature[name].default}
    return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in changed.items())})"


def is_fitted(estimator: Any) -> bool:
    """Whether it has learned."""
    return hasattr(estimator, "fitted_")


def tags_of(kind: Literal["classifier", "regressor"] | None) -> Any:
    """What scikit-learn, which calls this, should know: it takes texts, and needs to be told what is right."""
    from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

    return Tags(
        estimator_type=kind,
        target_tags=TargetTags(required=True),
        classifier_tags=ClassifierTags() if kind == "classifier" else None,
        regressor_tags=RegressorTags() if kind == "regressor" else None,
        input_tags=InputTags(one_d_array=True, two_d_array=False, string=True),
    )


def text_rows(given: Any) -> list[dict[str, str]]:
    """Texts, or pairs of texts, as rows `text` and perhaps `pair`.

    given   a list, array or Series of texts or of pairs; an array or a frame of one or two columns
    Raises `BadInput`, naming its place, for what is neither, for an empty text, and where there is none.

    >>> text_rows(["晴"]), text_rows([("雨", "雪")])
    ([{'text': '晴'}], [{'text': '雨', 'pair': '雪'}])
    """
    if isinstance(given, (str, bytes)):
        raise BadInput("X is one text: give a list of texts")
    values = given.to_numpy() if hasattr(given, "to_numpy") else given
    rows = [_text_row(value, place) for place, value in enumerate(cast("Iterable[Any]", values))]
    if not rows:
        raise BadInput("X is empty: there is nothing to learn from or to answer")
    if len({len(row) for row in rows}) > 1:
        first = next(place for place, row in enumerate(rows) if len(row) != len(rows[0]))
        raise BadInput(f"X[0] and X[{first}] are a text and a pair: all are one or the other")
    return rows


def refuse_unequal(given: Sized, said: Sized) -> None:
    """BadInput unless there is an answer for each example."""
    if len(given) != len(said):
        raise BadInput(f"X has {len(given)} examples and y {len(said)}: each has one answer")


def aside(groups: Sequence[Any], share: float, seed: int) -> list[int]:
    """The places of a share of each group, drawn; at least one of each group stays.

    >>> sorted("aabbbb"[place] for place in aside("aabbbb", 0.5, 0))
    ['a', 'b', 'b']
    """
    if not 0 <= share < 1:
        raise BadInput(f"validation_fraction {share}: choose 0, to put none aside, or a share below 1")
    places: dict[Any, list[int]] = {}
    for place, group in enumerate(groups):
        places.setdefault(group, []).append(place)
    chosen: list[int] = []
    for number, members in enumerate(places.values()):
        count = min(round(share * len(members)), len(members) - 1)
        order = generator(seed, "put aside", number).permutation(len(members))
        chosen += [members[at] for at in order[:count].tolist()]
    return sorted(chosen)


def seed_of(random_state: Any) -> int:
    """A seed: a number as it is, 0 for None, and one drawn from a generator of numpy."""
    if random_state is None or isinstance(random_state, (int, float)):
        return int(random_state or 0)
    draw = getattr(random_state, "integers", None) or getattr(random_state, "randint", None)
    if draw is None:
        if hasattr(random_state, "__index__"):
            return random_state.__index__()
        raise BadInput(f"random_state is {random_state!r:.60}: give a whole number from 0, or None")
    return int(draw(2**31 - 1))


class Fitted:
    """The model that a fit left: its folder, which is there as long as this is, and its network when it is asked for.

    A pickle of it holds the folder's files.
    """

    def __init__(self, folder: Path, kept: "TemporaryDirectory[str] | None" = None) -> None:
        self.folder, self._kept = folder, kept

    @cached_property
    def _loaded(self) -> tuple[Loaded, Task]:
        return load_fine_tuned(self.folder)

    def answers(self, examples: Sequence[Any], max_length: int | None) -> list[Any]:
        """What the model answers, in order; texts are cut where they were in training."""
        encoder, task = self._loaded
        length = max_length or min(encoder.config.longest, LONGEST)
        found: list[Any] = []
        for first in range(0, len(examples), AT_ONCE):
            found += encoder.examples(examples[first : first + AT_ONCE], length=length).answers(task.model)
        return found

    def __getstate__(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in sorted(self.folder.iterdir()) if file.is_file()}

    def __setstate__(self, files: dict[str, bytes]) -> None:
        kept = TemporaryDirectory(prefix="maskwright-")
        self.__init__(Path(kept.name), kept)
        for name, content in files.items():
            (self.folder / Path(name).name).write_bytes(content)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How to learn: the parameters that all estimators have."""

    model: str | Path
    epochs: float
    rate: float
    max_length: int | None
    random_state: Any
    out: str | Path | None
    settings: Mapping[str, Any] | None


def wanted(estimator: Any) -> Wanted:
    """Those of an estimator."""
    return Wanted(**{name: getattr(estimator, name) for name in Wanted.__dataclass_fields__})


def fit(how: Wanted, shape: ShapeName, train: Sequence[Row], dev: Sequence[Row], columns: Mapping[str, str]) -> Fitted:
    """Learn from rows by `tasks.finetune`, in `out`/run, or in a folder that is gone with the model.

    dev       rows to judge by; without any, some of those learned from are looked at
    columns   what `DataConfig` calls them
    Raises KeyboardInterrupt where a signal ended it.
    """
    seed = seed_of(how.random_state)
    kept = None if how.out is not None else TemporaryDirectory(prefix="maskwright-")
    place = Path(kept.name if kept else str(how.out))
    place.mkdir(parents=True, exist_ok=True)
    is_aside = bool(dev)
    if not dev:
        order = generator(seed, "looked at").permutation(len(train))[:LOOKED_AT]
        dev = [train[at] for at in sorted(order.tolist())]
    files = {name: place / f"{name}.jsonl" for name in ("train", "dev")}
    for name, rows in (("train", train), ("dev", dev)):
        files[name].write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    asked = {
        "shape": shape,
        "max_length": how.max_length,
        **{name: str(file) for name, file in files.items()},
        **columns,
    }
    kind = recipe_of(str(how.model))
    whole = plain(checked(kind, {"model": str(how.model), "data": asked}, "the parameters"))
    keep = "best" if is_aside else "last"
    steps = {"epochs": how.epochs, "optimizer.rate": how.rate, "stopping.keep": keep}
    steps = steps if kind is Recipe else {}  # what is fitted takes none
    given = usual_of(str(how.model)) | steps | {"training.seed": seed, **(how.settings or {})}
    recipe = checked(kind, override(whole, given), "the parameters")
    if learn(recipe, place / "run") is not None:
        raise KeyboardInterrupt
    if kept is None:
        return Fitted(place / "run" / "model")
    (place / "run" / "model").rename(place / "model")
    shutil.rmtree(place / "run")
    for file in files.values():
        file.unlink()
    return Fitted(place / "model", kept)


def finite(values: Iterable[Any]) -> list[float]:
    """Numbers. BadInput, naming its place, for one that is none or not finite."""
    found: list[float] = []
    for place, value in enumerate(values):
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise BadInput(f"y[{place}] is {value!r:.60}, which is no number") from None
        if not math.isfinite(number):
            raise BadInput(f"y[{place}] is {number}: a number to learn is finite")
        found.append(number)
    return found


def _names(estimator: Any) -> list[str]:
    return [name for name in inspect.signature(type(estimator).__init__).parameters if name != "self"]


def _text_row(value: Any, place: int) -> dict[str, str]:
    parts: list[Any] = [value] if isinstance(value, str) else []
    if isinstance(value, (list, tuple)) or (hasattr(value, "__len__") and not isinstance(value, (str, bytes, dict))):
        parts = list(cast("Sequence[Any]", value))
    if len(parts) not in (1, 2) or not all(isinstance(part, str) for part in parts):
        raise BadInput(f"X[{place}] is {value!r:.60}: a text or a pair of texts was expected")
    if not all(part.strip() for part in parts):
        raise BadInput(f"X[{place}] has an empty text: leave it out")
    return dict(zip(("text", "pair"), map(str, parts), strict=False))
