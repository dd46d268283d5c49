"""The verb: what it passes on, what it prints, and its exit codes. The demo itself is tested in tests/lab."""

import json
import signal
from pathlib import Path

import pytest

from maskwright.cli import main

RUN = {"steps": 9, "tokens": 99, "seconds": 61.4, "mlm_loss": 3.614, "mlm_accuracy": 0.3561}
FIGURES = {
    "report": "somewhere/report.html",
    "model": "somewhere/quick/model",
    "runs": {
        "quick": {**RUN, "nsp_accuracy": 0.611},
        "bert": {**RUN, "mlm_loss": 5.801, "mlm_accuracy": 0.1337, "nsp_accuracy": 0.597},
    },
    "baselines": {"unigram_loss": 6.2121, "unigram_accuracy": 0.0608, "nsp_majority": 0.5388},
    "probe": {
        "chance": 0.1839,
        "accuracy": {
            "pretrained": {"mean": 0.612, "low": 0.563, "high": 0.664},
            "random": {"mean": 0.532, "low": 0.479, "high": 0.586},
            "bag of words": {"mean": 0.887, "low": 0.853, "high": 0.918},
        },
    },
}


@pytest.fixture
def asked(monkeypatch):
    """What the verb asks of the demo, which answers with FIGURES."""
    calls = []

    def run_demo(language, out, **rest):
        calls.append((language, out, rest["changes"]))
        return FIGURES if language == "en" else signal.SIGTERM

    monkeypatch.setattr("maskwright.lab.demo.run_demo", run_demo)
    return calls


def test_the_summary_stands_on_stdout_with_every_figure(asked, capsys):
    assert main(["demo"]) == 0
    told = capsys.readouterr().out
    for figure in (
        "3.61",
        "35.6%",
        "61.1%",
        "5.80",
        "13.4%",
        "6.21",
        "6.1%",
        "53.9%",
        "88.7%",
        "56.3% to 66.4%",
        "18.4%",
    ):
        assert figure in told, figure
    assert "somewhere/report.html" in told and "somewhere/quick/model" in told
    assert "\x1b" not in told  # stdout is no terminal
    assert asked == [("en", Path("runs/demo-en"), {})]


def test_json_is_the_figures_and_nothing_else(asked, capsys):
    assert main(["demo", "--json", "--out", "here", "--training.steps", "7"]) == 0
    assert json.loads(capsys.readouterr().out) == FIGURES
    assert asked == [("en", Path("here"), {"training.steps": "7"})]


def test_a_demo_that_was_stopped_says_how_to_go_on_and_by_what(asked, capsys):
    assert main(["demo", "--language", "zh"]) == 143
    caught = capsys.readouterr()
    assert "the same line goes on" in caught.err and caught.out == ""
    assert asked == [("zh", Path("runs/demo-zh"), {})]


def test_there_are_two_languages(asked, capsys):
    assert main(["demo", "--language", "fr"]) == 2
    assert "fr" in capsys.readouterr().err
    assert asked == []
