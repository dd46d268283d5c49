import base64
import hashlib
import json
import math
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from maskwright.report.charts import POINTS, Baseline, Series, line_chart, switchable, ticks
from maskwright.report.figures import Bar, Marked, Token, bar_chart, blank, heat_map, neighbours, tokens
from maskwright.report.page import Page
from maskwright.report.runs import run_page
from maskwright.training.metrics import HeldOut, MetricsLog
from maskwright.training.run_folder import RunFolder, environment

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></title><svg/onload=alert(1)>",
    "<!-- ]]> -->",
    "&lt;b&gt; &#60;",
    "javascript:alert(1)",
    "a\u202egnp.exe\x00\x1b[31m\ud800",
    "{{7*7}}${7*7}",
]


class Elements(HTMLParser):
    """Every tag with its attribute names, and whether all that was opened is closed in order."""

    VOID = frozenset({"meta", "br", "img", "input", "link"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def page_of(text: str) -> Page:
    """Everything that takes a text, given this one."""
    page = Page(text, text).heading(text, text).text(text).text(text, small=True)
    page.figures([(text, text, text)]).table([text, text], [[text, 0.5], [text, None]], main=0, percent=[1])
    page.facts({text: text}, text).facts({text: text}).source(text, text)
    page.add(
        line_chart([Series(text, [1, 2], [3, 4])], text, text, text, baselines=[Baseline(text, 3.5)]),
        switchable({text: line_chart([Series(text, [1], [1])], text, text), text + "2": ""}),
        bar_chart([Bar(text, 0.5, 0.1, True)], text, unit=text, chance=0.2),
        heat_map([[1, 2], [3, 4]], [text, text], [text, text], text),
        tokens([Token(text, "masked", text), Token("##" + text), Token(text, "kept", text), Token(text)], text),
        blank(text, text, [(text, 0.3), ("x", 0.1)], truth=text),
        blank(text, text, []),
        neighbours(Marked("a ", text, f" {text}"), [(Marked(text, text, "!"), 0.5), (Marked("", "Ω", text), 0.4)]),
    )
    return page


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_markup(text: str):
    """A page about a hostile text has the very elements of a page about a harmless one."""
    hostile, harmless = page_of(text).html(), page_of("harmless").html()
    hostile.encode("utf-8")  # nothing in it that UTF-8 cannot hold
    assert Elements(hostile).found == Elements(harmless).found
    assert hostile.count("<script") == harmless.count("<script")
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", hostile)


@given(st.text(alphabet=st.characters(), max_size=30))
def test_nor_does_any_other(text: str):
    pair = [Elements(blank(t, t, [(t, 0.3), ("x", 0.1)], truth="y")).found for t in (text, "harmless")]
    assert pair[0] == pair[1]


def test_what_was_written_can_be_read():
    elements = Elements(page_of("晴雯 <b> & “co”").html())
    assert "晴雯 <b> & “co”" in "".join(elements.text)


def test_nothing_is_loaded_and_nothing_else_runs():
    html = page_of("harmless").html()
    assert not re.search(
        r"""(src|href|srcset|action|data|poster)\s*=\s*["']?[^"'>\s]""", re.sub(r"data-way=", "", html)
    )
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", html)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert policy
    assert policy[1].startswith("default-src 'none';")
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy[1]
    assert "unsafe-inline" not in policy[1].partition("script-src")[2]


def svg_of(chart: str) -> ET.Element:
    found = re.search(r"<svg.*?</svg>", chart, re.DOTALL)
    assert found
    return ET.fromstring(found[0])


def facts_of(chart: str) -> dict:
    found = re.search(r'<script type="application/json">(.*?)</script>', chart, re.DOTALL)
    assert found
    return json.loads(found[1])


def lines_of(chart: str) -> list[list[tuple[float, float]]]:
    """The points of the drawn lines, in values: read back from the drawing through its axes."""
    facts = facts_of(chart)

    def value(axis: list, at: float) -> float:
        low, high, start, end = axis
        return low + (at - start) / (end - start) * (high - low)

    paths = [p.attrib["d"] for p in svg_of(chart).iter("path") if re.match(r"line s\d", p.attrib["class"])]
    points = [[tuple(map(float, point.split())) for point in path[1:].split("L")] for path in paths]
    return [[(value(facts["x"], x), value(facts["y"], y)) for x, y in line] for line in points]


class TestLineChart:
    def test_the_drawing_says_what_the_values_are(self):
        x, y = [0, 1000, 2500, 4000], [9.0, 3.5, 4.25, 3.0]
        chart = line_chart([Series("a", x, y), Series("b", [0, 4000], [1.0, 2.0])], "t", "x")
        a, b = lines_of(chart)
        assert [p for p, _ in a] == pytest.approx(x, abs=10)
        assert [q for _, q in a] == pytest.approx(y, abs=0.01)
        assert [q for _, q in b] == pytest.approx([1, 2], abs=0.01)
        assert [t.text for t in svg_of(chart).iter("text") if t.attrib["class"].startswith("end")] == ["3", "2"]

    def test_what_has_no_value_is_left_out(self):
        nan, inf = float("nan"), float("inf")
        chart = line_chart([Series("a", [0, 1, 2, 3, 4], [1.0, None, nan, inf, 2.0])], "t", "x")
        assert [round(q, 1) for _, q in lines_of(chart)[0]] == [1.0, 2.0]
        assert "No values" in line_chart([Series("a", [1], [None])], "t", "x")
        assert "No values" in line_chart([], "t", "x")

    @pytest.mark.parametrize("value", [0.0, 1.0, -3.0, 1e9, 1e-9])
    def test_one_point_and_level_lines_can_be_drawn(self, value: float):
        for n in (1, 2):
            svg_of(line_chart([Series("a", list(range(n)), [value] * n)], "t", "x", percent=True, from_zero=True))

    def test_a_long_line_is_thinned_and_keeps_its_shape_and_end(self):
        n = 50_000
        y = [math.sin(i / n * 7) for i in range(n)]
        chart = line_chart([Series("a", list(range(n)), y)], "t", "x")
        (line,) = lines_of(chart)
        assert len(line) == POINTS + 1
        assert line[-1][1] == pytest.approx(y[-1], abs=0.01)
        for x, value in line[:-1]:
            assert value == pytest.approx(math.sin(x / n * 7), abs=0.05)

    def test_smoothing_keeps_a_straight_line_and_calms_a_noisy_one(self):
        straight = [float(i) for i in range(300)]
        noisy = [v + (-1) ** i * 40 for i, v in enumerate(straight)]
        for values in (straight, noisy):
            chart = line_chart([Series("a", straight, values, smooth=True)], "t", "x")
            assert 'class="line faint s0"' in chart
            drawn = [q for _, q in lines_of(chart)[-1]]
            assert drawn[20:-20] == pytest.approx(straight[20:-20], abs=3)

    def test_baselines_are_level_dashed_and_labelled(self):
        chart = line_chart([Series("a", [0, 1], [5.0, 3.0])], "t", "x", baselines=[Baseline("unigrams", 6.12)])
        assert "unigrams" in chart
        assert "6.12" in [t.text for t in svg_of(chart).iter("text")]
        assert facts_of(chart)["y"][1] > 6.12


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(3, 10))
@example(-655772.888671875, 1e-06, 7)
def test_ticks_are_round_evenly_spread_and_inside(low: float, span: float, about: int):
    high = low + span
    values = ticks(low, high, about)
    slack = 1e-6 * max(abs(low), abs(high), span)
    assert all(low - slack <= value <= high + slack for value in values)
    assert 1 <= len(values) <= 2.5 * about + 1
    steps = [b - a for a, b in pairwise(values)]
    grain = 2 * math.ulp(max(abs(low), abs(high)))  # numbers are not closer together there
    assert all(step == pytest.approx(steps[0], rel=1e-3, abs=2e-12 + grain) for step in steps)


def test_bars_are_as_long_as_they_say():
    html = bar_chart([Bar("a", 0.71, 0.02, main=True), Bar("b", 0.4)], "t", percent=True, chance=1 / 6)
    assert re.findall(r'fill" style="width:([\d.]+)%', html) == ["71.00", "40.00"]
    assert re.findall(r'class="chance" style="left:([\d.]+)%', html) == ["16.67", "16.67"]
    assert "71 % <small>± 2 %</small>" in html
    html = bar_chart([Bar("a", 5.0), Bar("b", 20.0), Bar("c", 0.0)], "t")
    assert re.findall(r'fill" style="width:([\d.]+)%', html) == ["25.00", "100.00", "0.00"]


def test_the_marked_word_is_the_one_that_is_meant():
    """ "other" inside "another" is not it."""
    html = neighbours(Marked("another ", "other", " day"), [(Marked("no ", "day", " like another day"), 0.71)])
    assert re.findall(r"<bdi>(.*?)</bdi>", html) == [
        "another <mark>other</mark> day",
        "no <mark>day</mark> like another day",
    ]


def test_heat_map_shades_by_the_share_of_the_row():
    html = heat_map([[8, 2], [0, 0]], ["a", "b"], ["a", "b"], "t")
    assert re.findall(r"--share:([\d.]+)%", html) == ["48.0", "12.0", "0.0", "0.0"]
    assert re.findall(r">([\d.]+ %|0)<", html) == ["80 %", "20 %", "0 %", "0 %"]


def test_tables_align_their_fractions():
    html = (
        Page("t")
        .table(["run", "loss", "right", "n"], [["a", 3.4, 0.5, 1234], ["b", 12.25, 0.377, None]], percent=[2])
        .html()
    )
    cells = re.findall(r"<td(?: class=num)?>([^<]*)</td>", html)
    assert cells == ["a", "3.4", "50.0 %", "1,234", "b", "12.2", "37.7 %", "–"]


def make_run(path: Path, speed: float) -> None:
    with (
        RunFolder.open(path, {"recipe": "x<y", "seed": 1}, environment(corpus="c" * 64, tokenizer="t" * 64)) as run,
        MetricsLog(run.path, tensorboard=False) as to,
    ):
        for step in range(10, 401, 10):
            loss = 3 + 6 / step
            to.log(
                step=step,
                tokens=step * 4096,
                loss=loss + 0.5,
                losses={"mlm": loss, "nsp": 0.5},
                accuracy={"mlm": 0.3, "nsp": 0.75},
                learning_rate=1e-3,
                gradient_norm=1.0,
                seconds=step * 4096 / speed,
                tokens_per_second=speed,
                held_out=HeldOut(loss, {"mlm": loss + 0.1, "nsp": 0.6}, {"mlm": 0.29, "nsp": 0.7})
                if step % 100 == 0
                else None,
            )


def test_the_report_of_runs(tmp_path: Path):
    make_run(tmp_path / "quick", 30_000)
    make_run(tmp_path / "bert", 15_000)
    page = run_page(
        {"quick": tmp_path / "quick", "plain BERT": tmp_path / "bert"},
        baselines={"mlm loss": {"unigrams": 6.12}},
        example=tokens([Token("[MASK]", "masked", "wife")]),
        dropped={"sentences too long": 311},
    )
    page.write(tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    text = "\n".join(t.strip() for t in Elements(html).text if t.strip())
    assert "3.12\nMasked LM, held-out loss\nunigrams: 6.12" in text
    assert "29 %\nMasked LM, held-out accuracy" in text
    assert "1.6 M\ntraining tokens" in text
    assert "30 k\ntokens per second" in text
    assert "sentences too long\n311" in text
    assert 'recipe = "x<y"' in text
    charts = re.findall(r'<figure class="chart.*?</figure>', html, re.DOTALL)
    assert len(charts) == 4 * 2 + 3
    for chart in charts:
        assert len(facts_of(chart)["series"]) >= 2
        svg_of(chart)


def test_a_run_that_logged_nothing_yet_has_a_report(tmp_path: Path):
    with RunFolder.open(tmp_path / "a", {"seed": 1}, environment(corpus="c", tokenizer="t")):
        pass
    assert "No values" in run_page({"a": tmp_path / "a"}).html()


def browser() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(browser() is None, reason="no Chromium is installed")
@pytest.mark.parametrize(
    "make", [lambda: page_of("harmless"), *(lambda text=text: page_of(text) for text in HOSTILE[:5])]
)
def test_a_browser_runs_our_script_and_no_other(tmp_path: Path, make: Callable[[], Page]):
    """Nothing is refused by the policy, nothing fails, no text runs, and the charts answer a key."""
    path = tmp_path / "report.html"
    make().write(path)
    chromium = browser()
    assert chromium
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    flags += " --disable-component-update --disable-sync --virtual-time-budget=2000 --enable-logging=stderr"
    command = [chromium, *flags.split(), f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert console == []
    assert 'aria-pressed="true"' in done.stdout
