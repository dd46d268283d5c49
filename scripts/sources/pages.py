"""HTML of Debian's packages that exist in both languages: LibreOffice's help, and the administrator's handbook."""

from pathlib import Path

from sources.archives import members
from sources.hypertext import html_paragraphs
from sources.prose import prose
from sources.source import Documents, without_repeats

_NO_HELP = frozenset(("code", "relatedtopics", "howtoget", "MAC"))  # MAC: keys of a Macintosh, beside everybody's
_NO_CHAPTER = frozenset(("docnav", "toc", "titlepage", "programlisting", "screen"))


def help_pages(package: Path, folder: str, language: str) -> Documents:
    """Pages of LibreOffice's help; `folder` is its name for the language, en-US or zh-CN."""
    yield from without_repeats(
        (name.split("/text/")[1], prose(html_paragraphs(content.decode(), _NO_HELP), language))
        for name, content in members(package, rf".*/help/{folder}/text/.*\.html")
    )


def handbook_pages(package: Path, folder: str, language: str) -> Documents:
    """Sections of the Debian handbook; `folder` as above."""
    yield from without_repeats(
        (Path(name).stem, prose(html_paragraphs(content.decode(), _NO_CHAPTER), language))
        for name, content in members(package, rf".*/html/{folder}/[^/]*\.html")
    )
