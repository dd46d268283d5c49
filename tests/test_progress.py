"""Progress: lines where there is no terminal, bars where there is one, nothing by default."""

import io
import re

import pytest

from maskwright.progress import PlainLines, duration, rich_progress, silent


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_plain_lines_tell_speed_and_time_left() -> None:
    out, clock = io.StringIO(), Clock()
    with PlainLines(out, every=10, clock=clock).stage("tokenise", total=1000, unit="documents") as stage:
        for _ in range(4):
            clock.now += 5
            stage.advance(100)
        stage.advance(600, note="loss 3.2")
    assert out.getvalue().splitlines() == [
        "tokenise: 200/1,000 documents (20%), 20 documents/s, 40 s left",
        "tokenise: 400/1,000 documents (40%), 20 documents/s, 30 s left",
        "tokenise: done, 1,000 documents in 20 s (50 documents/s), loss 3.2",
    ]


def test_a_stage_of_unknown_length_promises_no_end() -> None:
    out, clock = io.StringIO(), Clock()
    with PlainLines(out, every=1, clock=clock).stage("read", unit="lines") as stage:
        clock.now = 2
        stage.advance(3)
    assert out.getvalue().splitlines() == ["read: 3 lines, 1.5 lines/s", "read: done, 3 lines in 2.0 s (1.5 lines/s)"]


def test_a_failed_stage_never_says_done() -> None:
    out = io.StringIO()
    with pytest.raises(KeyError), PlainLines(out).stage("read", total=2) as stage:
        stage.advance()
        raise KeyError
    assert "done" not in out.getvalue() and "read: stopped after 1 items" in out.getvalue()


def test_no_terminal_means_plain_lines_without_escapes() -> None:
    out = io.StringIO()
    progress = rich_progress(out)
    with progress.stage("a", total=2, unit="steps") as stage:
        progress.say("[bold]a line[/bold]")
        stage.advance(2)
    assert out.getvalue().startswith("[bold]a line[/bold]\na: done, 2 steps in ")
    assert "\x1b" not in out.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bars_nest_and_name_counts_units_and_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = Terminal()
    progress = rich_progress(out)
    with progress.stage("outer", total=2, unit="epochs") as outer:
        with progress.stage("inner", unit="steps") as inner:
            inner.advance(1500, note="loss 3.2")
            progress.say("a line [between]")
        outer.advance()
    with progress.stage("later", total=1) as later:
        later.advance()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())
    for words in ("1/2 epochs", "1,500/1,500 steps", "loss 3.2", "a line [between]\n", "1/1 items"):
        assert words in text
    assert "outer" not in text[text.index("later") :]


def test_results_printed_beside_a_bar_stay_on_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    with rich_progress(out).stage("encode", total=1) as stage:
        print('{"vector": 1}')
        stage.advance()
    assert capsys.readouterr().out == '{"vector": 1}\n' and "vector" not in out.getvalue()


def test_no_color_keeps_colour_out_of_the_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    colour = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")
    shown: dict[str, str] = {}
    for value in ("", "1"):
        monkeypatch.setenv("NO_COLOR", value)
        out = Terminal()
        with rich_progress(out).stage("a", total=1) as stage:
            stage.advance()
        shown[value] = out.getvalue()
    assert colour.search(shown[""]) and not colour.search(shown["1"])


def test_silence_is_the_default_and_takes_everything() -> None:
    with silent.stage("a", total=None, unit="b") as stage:
        stage.advance(3, note="c")
    silent.say("nobody hears")


def test_durations_are_rounded_where_people_read_them() -> None:
    assert [duration(s) for s in (0, 9.97, 59.4, 60, 3599, 3600)] == [
        "0.0 s", "10 s", "59 s", "1 min 00 s", "59 min 59 s", "1 h 00 min",
    ]  # fmt: skip
