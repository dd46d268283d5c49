"""Pictures for documents, all in one style: SVG that is the same every time it is drawn (extra [plots])."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from maskwright.durable import staged_file

STYLE: Mapping[Any, Any] = {
    "svg.hashsalt": "maskwright",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "font.family": "sans-serif",
}


@contextmanager
def picture(file: Path, style: Mapping[str, Any] = {}) -> Generator[Any]:
    """Gives pyplot, and writes the figure that was made with it.

    style   what differs from the usual one

    with picture(Path("losses.svg")) as plt:
        figure, axes = plt.subplots(layout="constrained")
        axes.plot([3, 1, 2])
    """
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    settings: dict[Any, Any] = {**STYLE, **style}
    with plt.rc_context(settings):
        yield plt
        figure = plt.gcf()
        file.parent.mkdir(parents=True, exist_ok=True)
        with staged_file(file) as out:
            figure.savefig(out, format="svg", metadata={"Date": None})
        plt.close(figure)
