"""report.html: one file that opens offline and loads nothing.

A `Page` is a list of pieces in reading order. Pieces that stand beside each other (charts, bars,
blanks) share a grid. The style and the script are files beside this one, put into the page; a
content security policy lets nothing else run, so that text from a model stays text.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from maskwright import durable
from maskwright.report.markup import escaped, number

Cell = str | float | int | None


class Page:
    """A report under construction; every method returns the page, so that calls can be chained.

        Page("my-bert", "BERT tiny on Austen").figures([("3.44", "held-out loss", "unigrams: 6.1")]).html()

    All texts are escaped; only `add` takes HTML, from `charts` and `figures`.
    """

    def __init__(self, title: str, subtitle: str = "") -> None:
        self.title = title
        self.subtitle = subtitle
        self._blocks: list[tuple[bool, str]] = []

    def heading(self, text: str, lead: str = "") -> "Page":
        """Begins a section; `lead` says in a sentence what there is to see."""
        below = f'<p class="lead">{escaped(lead)}</p>' if lead else ""
        return self._block(f"<h2>{escaped(text)}</h2>{below}")

    def text(self, text: str, *, small: bool = False) -> "Page":
        """A paragraph; blank lines part several."""
        kind = ' class="note"' if small else ""
        return self._block("".join(f"<p{kind}>{escaped(part)}</p>" for part in text.split("\n\n") if part.strip()))

    def figures(self, numbers: Sequence[tuple[str, str, str]]) -> "Page":
        """Big numbers: (value, what it is, what to compare it with)."""
        cards = "".join(
            f"<div><b>{escaped(value)}</b><span>{escaped(name)}</span><small>{escaped(beside)}</small></div>"
            for value, name, beside in numbers
        )
        return self._block(f'<div class="figures">{cards}</div>')

    def table(
        self,
        header: Sequence[str],
        rows: Sequence[Sequence[Cell]],
        *,
        main: int | None = None,
        percent: Sequence[int] = (),
    ) -> "Page":
        """A table; numbers are set to the right.

        main       the row to look at
        percent    the columns whose numbers are shares
        """
        columns = [_column([row[i] for row in rows], percent=i in percent) for i in range(len(header))]
        numeric = [any(isinstance(row[i], int | float) for row in rows) for i in range(len(header))]
        kinds = [" class=num" if is_number else "" for is_number in numeric]
        head = "".join(f'<th scope="col"{kind}>{escaped(name)}</th>' for name, kind in zip(header, kinds, strict=True))
        body = "".join(
            f"<tr{' class=main' if place == main else ''}>"
            + "".join(f"<td{kind}>{escaped(column[place])}</td>" for column, kind in zip(columns, kinds, strict=True))
            + "</tr>"
            for place in range(len(rows))
        )
        return self._block(
            f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        )

    def facts(self, facts: Mapping[str, object], summary: str = "") -> "Page":
        """Names and values; folded away behind `summary` where one is given."""
        rows = "".join(f"<dt>{escaped(name)}</dt><dd>{escaped(value)}</dd>" for name, value in facts.items())
        return self._folded(f'<dl class="facts">{rows}</dl>', summary)

    def source(self, text: str, summary: str = "") -> "Page":
        """Text as it is in a file (a recipe), folded away behind `summary` where one is given."""
        return self._folded(f"<pre>{escaped(text)}</pre>", summary)

    def add(self, *pieces: str) -> "Page":
        """HTML from `charts` or `figures`; neighbouring pieces stand side by side where there is room."""
        self._blocks += [(True, piece) for piece in pieces]
        return self

    def _block(self, html: str) -> "Page":
        self._blocks.append((False, html))
        return self

    def _folded(self, html: str, summary: str) -> "Page":
        return self._block(f"<details><summary>{escaped(summary)}</summary>{html}</details>" if summary else html)

    def html(self) -> str:
        """The whole file."""
        style, script = _resource("page.css"), _resource("page.js")
        allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'; base-uri 'none'"
        head = (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<meta name="color-scheme" content="light dark">'
            f"<title>{escaped(self.title)}</title><style>{style}</style></head>"
        )
        subtitle = f"<p>{escaped(self.subtitle)}</p>" if self.subtitle else ""
        return (
            f"{head}\n<body><main><header><h1>{escaped(self.title)}</h1>{subtitle}</header>\n{self._body()}\n"
            f"</main><script>{script}</script></body></html>\n"
        )

    def _body(self) -> str:
        parts: list[str] = []
        in_grid = False
        for beside, html in self._blocks:
            if beside != in_grid:
                parts.append('<div class="grid">' if beside else "</div>")
                in_grid = beside
            parts.append(html)
        return "\n".join([*parts, "</div>"] if in_grid else parts)

    def write(self, path: str | Path) -> None:
        """Writes the page to `path`, whole or not at all."""
        durable.write_file(path, self.html().encode())


def _column(cells: Sequence[Cell], *, percent: bool) -> list[str]:
    """The cells of one column as text, its fractions with equally many digits."""
    texts = [number(cell, percent=percent) if isinstance(cell, float) or cell is None else str(cell) for cell in cells]
    plain = [text for text, cell in zip(texts, cells, strict=True) if isinstance(cell, float) and _is_plain(text)]
    digits = max((len(text.removesuffix(" %").partition(".")[2]) for text in plain), default=0)
    for i, cell in enumerate(cells):
        if isinstance(cell, int):
            texts[i] = f"{cell:,}"
        elif isinstance(cell, float) and texts[i] in plain:
            texts[i] = f"{100 * cell:.{digits}f} %" if percent else f"{cell:,.{digits}f}"
    return texts


def _is_plain(text: str) -> bool:
    return text.removesuffix(" %").replace(".", "", 1).replace(",", "").removeprefix("-").isdigit()


def _resource(name: str) -> str:
    return (files("maskwright.report") / name).read_text(encoding="utf-8")
