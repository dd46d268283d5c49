"""Web archives, written by fastwarc: which records are documents, what is left of a page, and bad archives."""

import gzip
import io
import sys
import zlib
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType
from hypothesis import given
from hypothesis import strategies as st

from maskwright.text.formats.warc import text_of_record
from maskwright.text.inputs import find_inputs
from maskwright.text.readers import detect_shape, read_raw
from tests.text.inputs import chapters, read, refusal

STORY = chapters("en", 1)[0]


def html(sentences: list[str], head: str = "<meta charset='utf-8'>") -> str:
    paragraphs = "".join(f"<p>{' '.join(sentences[at : at + 5])}</p>" for at in range(0, len(sentences), 5))
    menu = "<nav><ul><li><a href='/'>Home</a></li><li><a href='/x'>Imprint</a></li></ul></nav>"
    return (
        f"<!DOCTYPE html><html><head>{head}<title>Story</title><script>var x = 1;</script></head>"
        f"<body>{menu}<main><h1>A story</h1>{paragraphs}</main><footer>All rights reserved</footer></body></html>"
    )


def answer(body: bytes, *headers: str, status: str = "200 OK", kind: str = "text/html; charset=utf-8") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def record(content: bytes, kind: WarcRecordType = WarcRecordType.response, **headers: str) -> bytes:
    made = WarcRecord()
    made.init_headers(record_type=kind)
    made.headers.append("WARC-Target-URI", "https://example.org/")
    is_answer = kind == WarcRecordType.response
    made.headers["Content-Type"] = "application/http; msgtype=response" if is_answer else "text/plain"
    for name, value in headers.items():
        made.headers[name.replace("_", "-")] = value
    made.set_bytes_content(content)
    stream = io.BytesIO()
    made.write(stream)
    return stream.getvalue()


def archive(path: Path, *records: bytes, packed: bool = False) -> Path:
    path.write_bytes(b"".join(map(gzip.compress, records) if packed else records))
    return path


INFO = record(b"software: x\r\n", WarcRecordType.warcinfo)


@pytest.mark.parametrize("packed", [False, True])
def test_the_main_text_of_pages_is_read(tmp_path: Path, packed: bool) -> None:
    zh = chapters("zh", 1)[0]
    records = [INFO, record(answer(html(STORY).encode())), record(answer(html(zh).encode()))]
    path = archive(tmp_path / "crawl.warc.gz" if packed else tmp_path / "crawl.warc", *records, packed=packed)
    assert detect_shape(find_inputs([path])[0]) == "warc"
    story, other = read(path)
    text = " ".join(story.sentences)
    assert "".join(STORY[0].split()) in "".join(text.split()) and "".join(STORY[-1].split()) in "".join(text.split())
    assert not any(word in text for word in ("Home", "Imprint", "var x", "rights reserved", "<p>"))
    assert (story.source, other.source) == (f"{path}:2", f"{path}:3")
    assert zh[3] in "".join(other.sentences)


def test_records_are_cut_where_fastwarc_cuts_them(tmp_path: Path) -> None:
    pages = [answer(html(STORY[at : at + 9]).encode()) for at in range(0, 60, 9)]
    path = archive(tmp_path / "crawl.warc.gz", INFO, *map(record, pages), packed=True)
    with path.open("rb") as stream:
        expected = [
            one.reader.read() for one in ArchiveIterator(stream, parse_http=False, record_types=WarcRecordType.response)
        ]
    raws = list(read_raw(find_inputs([path])[0], "auto", "en"))
    assert [raw.text.encode("latin-1").split(b"\r\n\r\n", 1)[1] for raw in raws] == expected == pages


def test_text_that_was_taken_out_already(tmp_path: Path) -> None:
    records = [INFO, record("It rained.\n\n却说曹操败走。\n".encode(), WarcRecordType.conversion)]
    (found,) = read(archive(tmp_path / "crawl.wet", *records))
    assert found.sentences == ("It rained.", "却说曹操败走。")


def test_what_is_no_page_is_no_document(tmp_path: Path) -> None:
    page = html(STORY).encode()
    path = archive(
        tmp_path / "crawl.warc",
        record(answer(page, status="404 Not Found")),
        record(answer(b"\x89PNG", kind="image/png")),
        record(answer(page), WarcRecordType.request),
        record(answer(page, "Content-Encoding: br").replace(b"<!DOCTYPE", b"\x01\x02\x03")),
        record(b"no answer at all\r\nContent-Type: text/html\r\n\r\n<p>x"),
        record(answer(b"It rained.", kind="text/plain")),
    )
    assert [one.sentences for one in read(path)] == [("It rained.",)]


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_packed_and_chunked_answers(packing: str) -> None:
    page = html(STORY).encode()
    body = gzip.compress(page) if packing == "gzip" else zlib.compress(page)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:100], body[100:])) + b"0\r\n\r\n"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: {packing}\r\n".encode()
    expected = text_of_record(record(answer(page)).decode("latin-1"), "x")
    assert len(expected) > 5
    for content in (
        head + b"\r\n" + body,
        head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks,
        head + b"\r\n" + page,  # as archived by those who unpack it and leave the header
        head + b"Transfer-Encoding: chunked\r\n\r\n" + page,
    ):
        assert text_of_record(record(content).decode("latin-1"), "x") == expected


@pytest.mark.parametrize("encoding", ["gb18030", "big5", "utf-8", "utf-16"])
@pytest.mark.parametrize("told", ["header", "meta", "nowhere"])
def test_encodings_are_found(encoding: str, told: str) -> None:
    text = "臺灣的天氣今天很好，他們都到海邊去了。" if encoding == "big5" else "".join(chapters("zh", 1)[0][:40])
    if encoding == "utf-16" and told == "meta":
        pytest.skip("a meta element cannot name UTF-16: it is written in it")
    body = html([text], f"<meta charset='{encoding}'>" if told == "meta" else "").encode(encoding)
    kind = f"text/html; charset={encoding}" if told == "header" else "text/html"
    found = text_of_record(record(answer(body, kind=kind)).decode("latin-1"), "x")
    assert text in "".join(found)


@pytest.mark.parametrize(
    "hostile", ["<div>", "<table><tr><td>", "<b>", "<!--", "<a href='", "<p " + "a=b " * 100, "&#x1;"]
)
def test_absurd_html_is_survived(hostile: str) -> None:
    body = f"<html><body>{hostile * 20_000}<p>It rained.</p></body></html>".encode()
    text_of_record(record(answer(body)).decode("latin-1"), "x")


@given(body=st.binary(max_size=200), head=st.binary(max_size=100))
def test_any_bytes_are_a_page_or_none(body: bytes, head: bytes) -> None:
    for content in (answer(body), b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body, head + body):
        found = text_of_record(record(content).decode("latin-1"), "x")
        assert all(line == " ".join(line.split()) != "" for line in found)


# --- bad archives ---


@pytest.mark.parametrize("keep", [3, 0.2, 0.5, 0.99])
def test_an_archive_that_is_cut_off(tmp_path: Path, keep: float) -> None:
    whole = INFO + record(answer(html(STORY).encode()))
    path = tmp_path / "crawl.warc"
    path.write_bytes(whole[: int(keep if keep > 1 else keep * len(whole))])
    message = refusal(path, shape="warc")
    assert "crawl.warc record" in message and ("cut off" in message or "is no WARC record" in message)


def test_an_archive_that_is_cut_off_in_its_packing(tmp_path: Path) -> None:
    path = archive(tmp_path / "crawl.warc.gz", INFO, record(answer(html(STORY).encode())), packed=True)
    path.write_bytes(path.read_bytes()[:-50])
    assert "is cut off: its gzip stream ends too early" in refusal(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (INFO + b"It rained.\r\n", f"record 2 (byte {len(INFO)}) is no WARC record, or damaged: it begins with b'It"),
        (INFO.replace(b"Content-Length: ", b"Content-Length: -"), "has no length, or a wrong one"),
        (INFO.replace(b"Content-Length: ", b"Content-Length: 9999999999"), "is cut off: "),
        (INFO.replace(b"Content-Length: ", b"Content-Length: " + b"9" * 30), "has no length, or a wrong one"),
        (b"WARC/1.1\r\n" + b"X: y\r\n" * 20_000, "has a header of more than 64 KiB"),
        (b"WARC/1.1\r\nX: " + b"y" * 200_000, "has a header of more than 64 KiB"),
        (b"WARC/1.1\r\nX: y\r\n", "record 1 (byte 0) is cut off in its header"),
    ],
)
def test_a_bad_archive(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "crawl.warc").write_bytes(content)
    assert message in refusal(tmp_path / "crawl.warc")


def test_a_page_that_is_too_long_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maskwright.text.formats.warc.LONGEST_PAGE", 1 << 20)
    path = archive(
        tmp_path / "crawl.warc", record(answer(b"<p>" + b"x" * (2 << 20))), record(answer(html(STORY).encode()))
    )
    raws = list(read_raw(find_inputs([path])[0], "auto", "en"))
    assert [len(raw.text) > 0 for raw in raws] == [False, True]
    assert [one.source for one in read(path)] == [f"{path}:2"]


def test_html_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "crawl.warc", record(answer(html(STORY).encode())))
    monkeypatch.setitem(sys.modules, "resiliparse.extract.html2text", None)
    assert "record 1 is a page of HTML: to read it, run `pip install 'maskwright[web]'`" in refusal(path)
