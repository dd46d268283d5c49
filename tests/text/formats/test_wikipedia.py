"""Dumps of Wikipedia: which pages are read, what is left of wikicode, and what a hostile dump does."""

import bz2
import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.text.formats.wikicode import plain_text
from maskwright.text.inputs import find_inputs
from maskwright.text.readers import detect_shape, lines_of, read_raw
from tests.text.inputs import read, refusal

HEAD = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">\n'


def page(title: str, text: str, ns: int = 0, more: str = "") -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return f"""  <page>
    <title>{title}</title><ns>{ns}</ns><id>1</id>{more}
    <revision><id>2</id><text bytes="3" xml:space="preserve">{text}</text></revision>
  </page>
"""


def dump(*pages: str) -> str:
    return HEAD + "  <siteinfo><sitename>Wikipedia</sitename></siteinfo>\n" + "".join(pages) + "</mediawiki>\n"


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def write(content: str | bytes, name: str = "wiki-pages-articles.xml") -> Path:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path / name

    return write


def real_dump() -> Path:
    """A piece of a real dump that travels with gensim: two streams of bzip2, pages of all kinds."""
    import gensim.test.utils

    return Path(gensim.test.utils.datapath("enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"))


def test_the_pages_of_a_real_dump_are_those_that_gensim_finds() -> None:
    from gensim.corpora.wikicorpus import extract_pages

    with bz2.open(real_dump()) as stream:
        expected = [
            (title, text)
            for title, text, _ in extract_pages(stream, filter_namespaces=("0",))
            if text and not re.match(r"\s*#redirect", text, re.IGNORECASE)
        ]
    (given_file,) = find_inputs([real_dump()])
    assert detect_shape(given_file) == "wikipedia"
    raws = list(read_raw(given_file, "auto", "en"))
    assert len(raws) > 50
    assert [(raw.source.removeprefix(f"{real_dump()}:"), raw.text) for raw in raws] == expected


def test_a_real_page_is_prose_without_markup() -> None:
    raw = next(read_raw(find_inputs([real_dump()])[0], "auto", "en"))
    lines = lines_of(raw, "en")
    text = "\n".join(lines.lines)
    assert raw.source.endswith(":Anarchism") and not lines.are_sentences
    assert re.match(r"Anarchism is (?:a|often)", text)
    assert len(text) > 20_000
    assert not re.search(r"\[\[|\]\]|\{\{|\}\}|'''|<ref|File:|Category:|\(\s*\)|&nbsp;", text)


def test_articles_are_read_and_nothing_else(file: Callable[..., Path]) -> None:
    path = file(
        dump(
            page("Rain", "It rained."),
            page("Talk:Rain", "I doubt it.", ns=1),
            page("Rainfall", "#REDIRECT [[Rain]]", more='<redirect title="Rain" />'),
            page("曹操", "却说曹操败走。"),
            page("Mission: Rain", "{{stub}}"),
        )
    )
    assert [(one.sentences, one.source) for one in read(path)] == [
        (("It rained.",), f"{path}:Rain"),
        (("却说曹操败走。",), f"{path}:曹操"),
    ]


def test_of_several_revisions_the_last_counts(file: Callable[..., Path]) -> None:
    old = "<revision><text>It snowed.</text></revision>"
    assert [one.sentences for one in read(file(dump(page("Rain", "It rained.", more=old))))] == [("It rained.",)]


@pytest.mark.parametrize(("name", "pack"), [("w.xml.bz2", bz2.compress), ("w.xml.gz", gzip.compress), ("w.xml", bytes)])
def test_packed_dumps_are_found_by_their_content(
    file: Callable[..., Path], name: str, pack: Callable[[bytes], bytes]
) -> None:
    path = file(pack(dump(page("Rain", "It rained.")).encode()), name)
    assert detect_shape(find_inputs([path])[0]) == "wikipedia"
    assert read(path)[0].sentences == ("It rained.",)


def test_a_folder_gives_its_dumps_and_passes_other_xml_over(file: Callable[..., Path], tmp_path: Path) -> None:
    file("<html/>", "page.xml")
    file(bz2.compress(dump(page("Rain", "It rained.")).encode()), "enwiki-latest-pages-articles1.xml-p1p41242.bz2")
    file(bz2.compress(dump(page("Snow", "It snowed.")).encode()), "zhwiki-20260101-pages-articles.xml.bz2")
    assert [one.sentences for one in read(tmp_path)] == [("It rained.",), ("It snowed.",)]


@pytest.mark.parametrize(
    ("wikicode", "lines"),
    [
        ("'''Rain''' is ''liquid'' [[water]].", ["Rain is liquid water."]),
        ("[[Jane Austen|Austen]]'s [http://x.org six novels] http://x.org", ["Austen's six novels"]),
        ("{{Infobox|a=b}}\n{{short|{{x|y}}}}It rained.{{cn}}", ["It rained."]),
        ("It<ref name=a>Smith & Co.</ref> rained<ref name=b />.", ["It rained."]),
        ("[[File:A.jpg|thumb|A [[cat]].]]It rained.[[Category:Rain]][[fr:Pluie]]", ["It rained."]),
        ("See [[:Category:Rain|all]].", ["See all."]),
        ("{| class=x\n! a\n|-\n| b || c\n|}\nIt rained.", ["It rained."]),
        ("== History ==\nIt rained.\n\n* one\n* two\n", ["History", "It rained.", "one", "two"]),
        ("a&nbsp;b &amp; c&mdash;d<br/>e", ["a b & c—d", "e"]),
        ("E = <math>mc^2</math>. <!-- no -->So.", ["E = . So."]),
        ("__NOTOC__\nIt rained (; {{lang|fr|x}}).", ["It rained."]),
        ("[[文件:A.jpg|thumb|图]][[分类:雨]]下雨了。", ["下雨了。"]),
        ("-{zh-hans:软件; zh-hant:軟體;}-和-{硬件}--{H|zh-tw:a}-。", ["软件和硬件。"]),
        ("a&#xD800;b &#x110000; &#0;c", ["a\ufffdb &#x110000; &#0;c"]),
        ("<gallery>A.jpg|x</gallery><pre>x</pre>", []),
        ("It [[rained {{ <ref", ["It [[rained {{ <ref"]),
        ("Homer ({{lang|el|x}}; {{cn}}, a poet) sang.", ["Homer (a poet) sang."]),
    ],
)
def test_wikicode_to_text(wikicode: str, lines: list[str]) -> None:
    assert plain_text(wikicode, "") == lines


@given(st.text(alphabet="[]{}|'=<>/ref-\n:*#a雨", max_size=200))
def test_any_wikicode_is_read(wikicode: str) -> None:
    assert all(line == line.strip() != "" for line in plain_text(wikicode, "x"))


@pytest.mark.parametrize(
    "hostile", ["{{", "[[", "{|\n", "<div>", "</b><b>", "'''", "<ref>", "{{{", "[http://a ", "==", "-{"]
)
def test_absurd_depth_is_survived(hostile: str) -> None:
    plain_text(hostile * 5_000 + "It rained.", "x")


# --- bad dumps ---

BOMB = """<!DOCTYPE mediawiki [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>
<mediawiki><page><title>x</title><ns>0</ns><revision><text>&c;</text></revision></page></mediawiki>"""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BOMB, "line 1 (byte 20) declares a document type, which dumps of MediaWiki do not"),
        ('<!DOCTYPE mediawiki SYSTEM "file:///etc/passwd"><mediawiki/>', "declares a document type"),
        ("<feed><entry/></feed>", "line 1 (byte 0) begins with <feed>: a dump of MediaWiki begins with <mediawiki>"),
        (dump("<page><title>a</page>"), "line 3 (byte 1"),
        (dump("<a>" * 100), "has more than 64 elements inside one another"),
        (HEAD + "<page>\x01", "is no XML: not well-formed"),
        (dump(page("Rain", "&nbsp;").replace("&amp;", "&")), "is no XML: undefined entity"),
        ("It rained.", "line 1 (byte 0) is no XML"),
        (HEAD.encode() + b"<page><title>caf\xe9</title>", "is no XML: not well-formed"),
    ],
)
def test_a_bad_dump(file: Callable[..., Path], content: str | bytes, message: str) -> None:
    assert message in refusal(file(content), shape="wikipedia")


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_a_dump_that_is_cut_off(file: Callable[..., Path], keep: float) -> None:
    whole = dump(*[page(f"Rain {number}", "It rained. " * 200) for number in range(20)]).encode()
    message = refusal(file(whole[: int(keep * len(whole))]))
    assert "is cut off: its XML ends too early at line" in message


def test_a_page_or_a_tag_without_end(file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maskwright.text.lines.LONGEST_LINE", 1 << 20)
    path = file(dump(page("Rain", "x" * (2 << 20))))
    assert "is in a page of more than 1 Mi" in refusal(path)
    path = file(HEAD + "<page a='" + "x" * (6 << 20))
    assert "holds a tag that does not end within 4 MiB" in refusal(path)


def test_wikicode_without_its_library(file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    path = file(dump(page("Rain", "It rained.")))
    monkeypatch.setitem(sys.modules, "mwparserfromhell", None)
    assert "page Rain is wikicode: to read it, run `pip install 'maskwright[wikipedia]'`" in refusal(path)
