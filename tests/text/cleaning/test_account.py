"""An account is the same however documents are cut into chunks, and travels as JSON."""

import json
from collections import Counter
from functools import reduce
from itertools import pairwise
from operator import add

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from maskwright.text.cleaning.account import EXAMPLES, Account
from maskwright.text.cleaning.changes import STEPS, Change, Cleaned
from maskwright.text.cleaning.cleaner import Cleaner, CleaningConfig
from maskwright.text.samples import sample

EXAMPLE = st.text(max_size=5)
CHANGES = st.lists(st.builds(Change, st.sampled_from(STEPS), st.integers(1, 9), EXAMPLE, EXAMPLE), max_size=4).map(
    tuple
)
KEPT = st.builds(Cleaned, st.lists(st.text("ab", min_size=1)).map(tuple), st.none(), CHANGES, st.integers(0, 99))
DROPPED = st.builds(
    lambda changes, given: Cleaned((), f"{changes[-1].step}: too bad", changes, given),
    CHANGES.filter(bool),
    st.integers(0, 99),
)
DOCUMENTS = st.lists(KEPT | DROPPED | st.just(Cleaned((), "empty: it holds no text", (), 0)), max_size=60)


@given(DOCUMENTS, st.lists(st.integers(0, 60), max_size=4))
def test_where_documents_are_cut_does_not_show(documents: list[Cleaned], cuts: list[int]) -> None:
    cuts = [0, *sorted(cuts), len(documents)]
    parts = [Account.of(documents[begin:end]) for begin, end in pairwise(cuts)]
    whole = Account.of(documents)
    assert reduce(add, parts, Account()) == whole
    assert reduce(add, parts, Account()).model_dump_json() == whole.model_dump_json()
    assert Account.model_validate(json.loads(whole.model_dump_json())) == whole


@given(DOCUMENTS)
def test_counts_are_those_of_the_documents(documents: list[Cleaned]) -> None:
    account = Account.of(iter(documents))
    kept = [one for one in documents if one.dropped is None]
    assert (account.documents, account.kept_documents) == (len(documents), len(kept))
    assert account.characters == sum(one.given for one in documents)
    assert account.kept_characters == sum(len(line) for one in kept for line in one.lines)
    dropped = Counter(one.changes[-1].step for one in documents if one.dropped and one.changes)
    assert {step: one.dropped_documents for step, one in account.steps.items() if one.dropped_documents} == dropped
    counts = Counter[str]()
    for one in documents:
        for change in one.changes:
            counts[change.step] += change.count
    assert {step: one.characters + one.dropped_characters for step, one in account.steps.items()} == counts
    assert all(len(one.examples) <= EXAMPLES for one in account.steps.values())
    assert list(account.steps) == [step for step in STEPS if step in account.steps]


def test_the_first_examples_are_kept_in_the_order_of_documents() -> None:
    documents = [Cleaned(("a",), None, (Change("width", 1, str(number), "b"),), 1) for number in range(50)]
    account = Account.of(documents[:7]) + Account.of(documents[7:])
    assert account.steps["width"].examples == tuple(f"'{number}' → 'b'" for number in range(EXAMPLES))


def test_duplicates_are_taken_off_later() -> None:
    account = Account.of([Cleaned(("abc", "d"), None, (), 4)] * 3)
    fewer = account.without("exact duplicates", [(4, "x.txt:1"), (4, "y.txt:7")])
    assert (fewer.documents, fewer.kept_documents, fewer.kept_characters) == (3, 1, 4)
    assert fewer.steps["exact duplicates"].dropped_documents == 2
    assert fewer.steps["exact duplicates"].examples == ("x.txt:1", "y.txt:7")
    assert account.without("near duplicates", []) == account


@pytest.mark.parametrize("change", [{"documents": -1}, {"steps": {"width": {"characters": -1}}}, {"more": 1}])
def test_impossible_accounts_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Account.model_validate(change)


def test_the_table_of_a_real_corpus_reads_well() -> None:
    cleaner = Cleaner(CleaningConfig(width="all", controls=True, min_characters=4000), "zh")
    documents = [cleaner([f"\u200b{line}|`" for line in document.sentences]) for document in sample("zh")]
    table = Account.of(documents).markdown()
    header, rule, *rows = table.split("\n")
    assert [row.split(" | ")[0] for row in rows[:-1]] == ["| controls", "| width", "| length"]
    assert all(row.replace("\\|", "").count("|") == header.count("|") for row in (rule, *rows))
    assert "'\\u200b" in rows[0] and "characters, fewer than 4,000" in rows[2]
    assert "of 120 documents" in rows[-1]
