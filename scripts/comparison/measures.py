"""What runs are asked, as a table and a picture tell it."""

from typing import Any, NamedTuple


class Measure(NamedTuple):
    """One of the things in a run's answers.

    path       where it stands there
    compared   whether a table tells the difference to the first row too
    """

    title: str
    path: tuple[str, ...]
    form: str
    scale: float = 1.0
    compared: bool = False

    def of(self, told: dict[str, Any]) -> float | None:
        """Its value in a run's answers; None where the run could not be asked.

        >>> Measure("probe, %", ("probe", "accuracy"), ".1f", 100).of({"probe": {"accuracy": 0.5}})
        50.0
        >>> Measure("senses, %", ("senses", "auc"), ".1f", 100).of({"senses": None})
        """
        value: Any = told
        for key in self.path:
            value = None if value is None else value.get(key)
        return None if value is None else self.scale * float(value)


LOSS = Measure("held-out loss", ("held_out", "loss"), ".3f", compared=True)
ACCURACY = Measure("accuracy, %", ("held_out", "accuracy"), ".2f", 100)
WORDS = Measure("whole words, loss", ("held_out_words", "loss"), ".3f")
PROBE = Measure("probe, %", ("probe", "accuracy"), ".2f", 100, compared=True)
TOKENS = Measure("million tokens", ("tokens",), ".2f", 1e-6)
IN_CONTEXT = Measure("kinds in context, %", ("in_context", "accuracy"), ".2f", 100, compared=True)
SENSES = Measure("senses in order, %", ("senses", "auc"), ".2f", 100, compared=True)
MASKED = (LOSS, ACCURACY, WORDS, PROBE)
OTHER_KINDS = (TOKENS, PROBE, IN_CONTEXT, SENSES)
