"""`maskwright recipes`: every recipe in the table, and what differs between two."""

import json

import pytest

from maskwright.cli import main
from maskwright.recipes import names


def test_every_recipe_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == names() and "\x1b" not in "".join(lines)
    assert main(["recipes", "--json"]) == 0
    rows = {row["recipe"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["albert"]["heads"] == ["mlm", "sop"] and rows["albert"]["hides"] == "15% ngrams"
    assert rows["bert"]["tokens"] == [128, 512] and rows["xlm"]["layout"] == "languages"


def test_what_differs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "diff", "bert", "bert_wwm", "--size", "large", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["differs"] == {"masks.unit": {"bert": "token", "bert_wwm": "word"}}
    assert main(["recipes", "diff", "bert", "roberta"]) == 0
    out = capsys.readouterr().out
    assert "optimizer.beta2" in out and "0.98" in out and "roberta (base)" in out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["bert", "robert"], "did you mean"), (["bert", "albert", "--size", "mini"], "no size 'mini'")],
)
def test_bad_names_are_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], named: str) -> None:
    assert main(["recipes", "diff", *arguments]) == 2
    err = capsys.readouterr().err
    assert named in err and err.count("\n") == 1
