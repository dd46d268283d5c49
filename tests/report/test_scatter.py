"""Points in a plane: each drawn once in its colour, one scale for both axes, and every text as text."""

from xml.etree import ElementTree as ET

import numpy as np
import pytest

from maskwright.report.figures import Marked
from maskwright.report.scatter import HEIGHT, WIDTH, groups_list, scatter
from tests.report.test_report import HOSTILE


def circles(html: str) -> list[ET.Element]:
    return ET.fromstring(html).findall(".//circle")


def test_distances_in_the_drawing_are_those_of_the_points() -> None:
    points = np.random.default_rng(0).normal(size=(30, 2)) * [5, 0.5] + 100
    drawn = circles(scatter(points, [i % 3 for i in range(30)], [f"text {i}" for i in range(30)], "a title"))
    places = np.array([[float(one.get(axis, "")) for axis in ("cx", "cy")] for one in drawn])
    assert (places > 0).all() and (places < [WIDTH, HEIGHT]).all()
    assert [one.get("class") for one in drawn] == [f"s{i % 3}" for i in range(30)]
    assert [one.findtext("title") for one in drawn] == [f"text {i}" for i in range(30)]
    ours, theirs = (np.linalg.norm(rows[:, None] - rows[None], axis=-1) for rows in (places, points))
    scale = (ours * theirs).sum() / (theirs * theirs).sum()
    np.testing.assert_allclose(ours, scale * theirs, atol=0.2)
    assert (places[:, 1].argmin(), places[:, 0].argmax()) == (points[:, 1].argmax(), points[:, 0].argmax())


@pytest.mark.parametrize("count", [1, 7])
def test_points_at_one_place_are_drawn_once_in_the_middle(count: int) -> None:
    (one,) = circles(scatter(np.full((count, 2), 3.0), [0] * count, ["text"] * count, "a title"))
    assert (float(one.get("cx", "")), float(one.get("cy", ""))) == (WIDTH / 2, HEIGHT / 2)
    assert one.findtext("title") == ("text" if count == 1 else "7 sentences, among them: text")


@pytest.mark.parametrize("text", HOSTILE)
def test_text_stays_text(text: str) -> None:
    found = ET.fromstring(scatter(np.zeros((1, 2)), [0], [text], text, text))
    assert {element.tag for element in found.iter()} <= {"figure", "figcaption", "span", "svg", "circle", "title"}
    found = ET.fromstring(groups_list([(text, 0, [Marked(text, text, text)])]))
    assert {element.tag for element in found.iter()} <= {"div", "p", "i", "ul", "li", "bdi", "mark"}
