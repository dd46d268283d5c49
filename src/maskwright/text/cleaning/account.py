"""What cleaning did to a whole corpus: each step's counts and first examples, added up in the order of documents."""

from collections.abc import Iterable
from itertools import chain
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from maskwright.text.cleaning.changes import STEPS, Change, Cleaned

EXAMPLES = 20
Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StepAccount(_Part):
    """What one step did."""

    documents: Count = 0
    """Documents that it changed and did not drop."""
    characters: Count = 0
    """Characters changed or removed in them."""
    dropped_documents: Count = 0
    dropped_characters: Count = 0
    """What was left of the dropped documents when the step was reached."""
    examples: tuple[str, ...] = ()

    def __add__(self, later: "StepAccount") -> "StepAccount":
        return StepAccount(
            documents=self.documents + later.documents,
            characters=self.characters + later.characters,
            dropped_documents=self.dropped_documents + later.dropped_documents,
            dropped_characters=self.dropped_characters + later.dropped_characters,
            examples=(*self.examples, *later.examples)[:EXAMPLES],
        )


class Account(_Part):
    """What came in, what is left, and what each step that did something did.

    `a + b` is the account of a's documents and then b's: where documents were cut into chunks does not show.
    """

    documents: Count = 0
    characters: Count = 0
    kept_documents: Count = 0
    kept_characters: Count = 0
    steps: dict[str, StepAccount] = Field(default_factory=dict)

    @classmethod
    def of(cls, documents: Iterable[Cleaned]) -> Self:
        """The account of documents that a `Cleaner` returned, in their order."""
        count = given = kept = characters = 0
        done: dict[str, list[tuple[Change, str | None]]] = {}
        for cleaned in documents:
            count += 1
            given += cleaned.given
            kept += cleaned.dropped is None
            characters += sum(map(len, cleaned.lines))
            reasons = [None] * (len(cleaned.changes) - 1) + [cleaned.dropped]
            for change, reason in zip(cleaned.changes, reasons, strict=False):
                done.setdefault(change.step, []).append((change, reason))
        return cls(
            documents=count,
            characters=given,
            kept_documents=kept,
            kept_characters=characters,
            steps=_in_order({step: _step_account(changes) for step, changes in done.items()}),
        )

    def without(self, step: str, documents: Iterable[tuple[int, str]]) -> Self:
        """The account after `step` dropped documents that had been kept until then, such as duplicates.

        documents   characters and an example for each
        """
        sizes, examples = [], []
        for size, example in documents:
            sizes.append(size)
            if len(examples) < EXAMPLES:
                examples.append(example)
        if not sizes:
            return self
        lost = StepAccount(dropped_documents=len(sizes), dropped_characters=sum(sizes), examples=tuple(examples))
        changes = {
            "kept_documents": self.kept_documents - len(sizes),
            "kept_characters": self.kept_characters - sum(sizes),
            "steps": _in_order({**self.steps, step: self.steps.get(step, StepAccount()) + lost}),
        }
        return self.model_copy(update=changes)

    def __add__(self, later: "Account") -> "Account":
        return Account(
            documents=self.documents + later.documents,
            characters=self.characters + later.characters,
            kept_documents=self.kept_documents + later.kept_documents,
            kept_characters=self.kept_characters + later.kept_characters,
            steps=_in_order(
                {
                    step: self.steps.get(step, StepAccount()) + later.steps.get(step, StepAccount())
                    for step in chain(self.steps, later.steps)
                }
            ),
        )

    def markdown(self, examples: int = 3) -> str:
        """A table with a row for each step that did something, and a last one for what is left.

        >>> print(Account.of([Cleaned(("BERT",), None, (Change("width", 4, "ＢＥＲＴ", "BERT"),), 4)]).markdown())
        | step | documents changed | characters changed | documents dropped | characters dropped | examples |
        | --- | ---: | ---: | ---: | ---: | --- |
        | width | 1 | 4 | 0 | 0 | `'ＢＥＲＴ' → 'BERT'` |
        | kept: 1 of 1 documents, 4 of 4 characters | | | | | |
        """
        rows = [
            f"| {step} | {one.documents:,} | {one.characters:,} | {one.dropped_documents:,} "
            f"| {one.dropped_characters:,} | {'<br>'.join(map(_code, one.examples[:examples]))} |"
            for step, one in self.steps.items()
        ]
        kept = (
            f"{self.kept_documents:,} of {self.documents:,} documents, "
            f"{self.kept_characters:,} of {self.characters:,} characters"
        )
        return "\n".join(
            [
                "| step | documents changed | characters changed | documents dropped | characters dropped | examples |",
                "| --- | ---: | ---: | ---: | ---: | --- |",
                *rows,
                f"| kept: {kept} | | | | | |",
            ]
        )


def _step_account(changes: list[tuple[Change, str | None]]) -> StepAccount:
    dropped = [change.count for change, reason in changes if reason is not None]
    return StepAccount(
        documents=len(changes) - len(dropped),
        characters=sum(change.count for change, _ in changes) - sum(dropped),
        dropped_documents=len(dropped),
        dropped_characters=sum(dropped),
        examples=tuple(_example(change, reason) for change, reason in changes[:EXAMPLES]),
    )


def _in_order(steps: dict[str, StepAccount]) -> dict[str, StepAccount]:
    return {step: steps[step] for step in sorted(steps, key=STEPS.index)}


def _example(change: Change, dropped: str | None) -> str:
    r"""One line that shows a change; characters that nobody sees are escaped.

    >>> print(_example(Change("controls", 1, "a\u200bb", "ab"), None), _example(Change("length", 2, "嗯。", ""), "why"))
    'a\u200bb' → 'ab' '嗯。' (why)
    """
    if dropped is not None:
        return f"{change.example_before!r} ({dropped})"
    if change.example_after:
        return f"{change.example_before!r} → {change.example_after!r}"
    return repr(change.example_before)


def _code(text: str) -> str:
    r"""`text` as code in a cell of a Markdown table.

    >>> print(_code("a|b"), _code("`a`"))
    `a\|b` `` `a` ``
    """
    fence = "`"
    while fence in text:
        fence += "`"
    blank = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{blank}{text}{blank}{fence}".replace("|", "\\|")
