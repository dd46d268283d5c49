"""Where text lies: zip archives and URLs, and what of them is passed over or refused."""

import functools
import gzip
import http.server
import io
import pickle
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from maskwright.text.inputs import InputFile, find_inputs, look_for_inputs
from maskwright.text.opening import stamp
from maskwright.text.readers import Part, read_part
from tests.text.inputs import as_jsonl, as_sentences, chapters, characters, read, refusal, squeezed, texts


def members(language: str = "en") -> dict[str, bytes]:
    """Twelve chapters, each in another form."""
    documents = chapters(language)
    table = io.BytesIO()
    pq.write_table(pa.table({"text": ["\n".join(one) for one in documents[9:]]}), table)
    return {
        "a/one.txt": as_sentences(documents[:3]).encode(),
        "b/two.jsonl.gz": gzip.compress(as_jsonl(documents[3:6]).encode()),
        "b/三.jsonl": as_jsonl(documents[6:9]).encode(),
        "c.parquet": table.getvalue(),
    }


def zipped(path: Path, content: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


# --- zip ---


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_the_members_of_an_archive_are_read_as_files_are(tmp_path: Path, method: int) -> None:
    path = zipped(tmp_path / "a.zip", members() | {"d/": b"", ".x.txt": b"no", "__MACOSX/a.txt": b"no"}, method)
    files = find_inputs([path])
    assert [file.label for file in files] == [f"a.zip/{name}" for name in members()]
    assert pickle.loads(pickle.dumps(files)) == files
    found = read(path)
    assert characters(found) == squeezed(["".join(one) for one in chapters("en")])
    assert found[1].source == f"{path}/a/one.txt:{len(chapters('en')[0]) + 2}"
    assert next(read_part(Part(files[2]), "en")).source == "a.zip/b/三.jsonl:1"


def test_an_archive_in_a_folder_and_one_without_its_name(tmp_path: Path) -> None:
    zipped(tmp_path / "in.zip", {"a.txt": b"It rained."})
    zipped(tmp_path / "book", {"whatever.name": b"She smiled."})
    assert [one.sentences for one in read(tmp_path)] == [("It rained.",)]
    assert [one.sentences for one in read(tmp_path / "book")] == [("She smiled.",)]


def test_many_members_are_read_with_one_look_at_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "a.zip", {f"{number}.txt": b"It rained." for number in range(200)})
    opened: list[object] = []
    real = zipfile.ZipFile

    def counted(stream: object) -> zipfile.ZipFile:
        opened.append(stream)
        return real(stream)  # type: ignore[call-overload]

    monkeypatch.setattr(zipfile, "ZipFile", counted)
    assert len(read(path)) == 200
    assert len(opened) == 1


def test_what_an_archive_holds_beside_text_is_passed_over(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", {"a.txt": b"It rained."}).read_bytes()
    path = zipped(tmp_path / "a.zip", {"a.txt": b"It rained.", "b.png": b"x", "c.zip": inner})
    found = look_for_inputs([path])
    assert [file.member for file in found.files] == ["a.txt"]
    assert found.passed_over == ["a.zip/b.png", "a.zip/c.zip"]
    assert "2 files were passed over" in str(found.described())
    assert "a.zip has no text: 2 files have other names" in refusal(zipped(path, {"b.png": b"x", "c.zip": inner}))
    assert "is a zip file: text is read plain" in refusal(zipped(path, {"c.zip": inner}))


@pytest.mark.parametrize("name", ["../a.txt", "/etc/a.txt", "a/../../b.txt", "..\\a.txt", "C:\\a.txt", "C:/a.txt"])
def test_a_member_that_names_a_place_outside(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / "a.zip", {"good.txt": b"It rained.", name: b"It rained."})
    assert "outside of itself: no honest archive does" in refusal(path)


def test_bad_archives(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {})
    assert "a.zip is an archive without a file in it" in refusal(path)
    zipped(path, members())
    whole = path.read_bytes()
    for keep in (4, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:keep])
        assert "a.zip is no zip archive, damaged, or cut off" in refusal(path)
    damaged = bytearray(whole)
    damaged[200] ^= 255
    path.write_bytes(bytes(damaged))
    assert "a.zip/a/one.txt is damaged: zip fails after" in refusal(path)
    # the flag of encryption, in the directory and in the member's own header
    encrypted = bytearray(zipped(path, {"a.txt": b"It rained."}).read_bytes())
    encrypted[6] |= 1
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(encrypted))
    assert "a.zip/a.txt is encrypted" in refusal(path)


def test_a_member_that_swells_beyond_measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maskwright.text.compression.ALWAYS_ALLOWED", 1 << 20)
    monkeypatch.setattr("maskwright.text.compression.MOST_TIMES", 200)
    path = zipped(tmp_path / "a.zip", {"a.txt": b"It rained.\n" * 2_000_000})
    assert "a.zip/a.txt unpacks to more than 200 times its size" in refusal(path)
    packed_twice = zipped(path, {"a.txt.gz": gzip.compress(b"It rained.\n" * 2_000_000)})
    assert "a.zip/a.txt.gz unpacks to more than 200 times its size" in refusal(packed_twice)


def test_a_large_table_in_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maskwright.text.opening.MOST_IN_MEMORY", 1000)
    path = zipped(tmp_path / "a.zip", {"c.parquet": members()["c.parquet"]})
    assert "a.zip/c.parquet is a table of more than" in refusal(path)


def test_an_archive_through_a_pipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    content = zipped(tmp_path / "a.zip", members()).read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert "standard input is a zip file: text is read plain, packed by" in refusal("-")


def test_a_table_through_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(members()["c.parquet"])))
    assert characters(read("-")) == squeezed(["".join(one) for one in chapters("en")[9:]])


def test_what_is_passed_over_is_said(tmp_path: Path) -> None:
    for name in ("a.txt", "b/photo.png", "notes.md", "b/x.arrow"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("It rained.")
    found = look_for_inputs([tmp_path])
    assert [file.label for file in found.files] == ["a.txt"]
    assert found.passed_over == ["b/photo.png", "b/x.arrow", "notes.md"]
    assert look_for_inputs([tmp_path / "a.txt"]).described() is None


# --- URLs ---


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    system = fsspec.filesystem("memory")
    yield system
    for path in system.find("/"):
        system.rm(path)


def test_files_folders_and_patterns_behind_urls(memory: fsspec.AbstractFileSystem) -> None:
    for name, data in members().items():
        memory.pipe(f"/data/{name}", data)
    memory.pipe("/data/.hidden.txt", b"no")
    memory.pipe("/data/photo.png", b"no")
    memory.pipe("/data/empty.txt", b"")
    everything = squeezed(["".join(one) for one in chapters("en")])
    found = look_for_inputs(["memory://data"])
    assert [file.label for file in found.files] == sorted(members(), key=lambda name: name.split("/"))
    assert found.passed_over == ["photo.png"]
    assert characters(read("memory://data")) == everything
    assert characters(read("memory://data/c.parquet")) == everything[9:]
    assert characters(read("memory://data/b/*")) == everything[3:9]
    assert characters(read("memory://data/**/*.parquet")) == everything[9:]
    assert read("memory://data/a/one.txt")[0].source == "memory://data/a/one.txt:1"
    files = find_inputs(["memory://data"])
    assert pickle.loads(pickle.dumps(files)) == files
    before = stamp(files[0])
    memory.pipe("/data/a/one.txt", b"It rained.")
    assert before is not None and stamp(files[0]) != before


def test_archives_behind_urls(memory: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    memory.pipe("/a.zip", zipped(tmp_path / "a.zip", members()).read_bytes())
    assert characters(read("memory://a.zip")) == squeezed(["".join(one) for one in chapters("en")])


def test_a_file_url_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(as_jsonl(chapters("en")))
    assert characters(read(f"file://{tmp_path}/a.jsonl")) == squeezed(["".join(one) for one in chapters("en")])


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """A folder behind http on this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_text_is_read_over_http(served: str, tmp_path: Path) -> None:
    for name, data in members().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    everything = squeezed(["".join(one) for one in chapters("en")])
    assert characters(read(f"{served}/a/one.txt", f"{served}/b/two.jsonl.gz")) == everything[:6]
    (file,) = find_inputs([f"{served}/a/one.txt"])
    assert (file.label, file.size) == ("one.txt", len(members()["a/one.txt"]))
    (tmp_path / "d").mkdir()
    zipped(tmp_path / "d" / "a.zip", members())
    assert [one.label for one in find_inputs([f"{served}/b/"])] == ["%E4%B8%89.jsonl", "two.jsonl.gz"]
    assert "The HTTP server doesn't appear to support range requests" in refusal(f"{served}/d/a.zip")
    assert f"{served}/none.txt does not exist, or cannot be reached" in refusal(f"{served}/none.txt")


def test_bad_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "memory://none.txt does not exist" in refusal("memory://none.txt")
    assert "memory://none/*.txt has no text" in refusal("memory://none/*.txt")
    assert "does not exist, or cannot be reached: " in refusal("http://127.0.0.1:9/a.txt")
    assert "cannot be read: Protocol not known: nonsense" in refusal("nonsense://a.txt")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    assert "s3://a/b.txt needs a library that is not installed (Install s3fs" in refusal("s3://a/b.txt")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    assert "run `pip install 'maskwright[remote]'`" in refusal("memory://a.txt")


def test_a_server_that_fails_in_the_middle_is_named(memory: fsspec.AbstractFileSystem) -> None:
    memory.pipe("/a.txt", b"It rained.\n")
    (file,) = find_inputs(["memory://a.txt"])
    memory.rm("/a.txt")
    with pytest.raises(ValueError, match="memory://a.txt does not exist"):
        list(read_part(Part(file), "en"))


def test_no_library_is_loaded_without_a_url(tmp_path: Path) -> None:
    import subprocess

    (tmp_path / "a.txt").write_text("It rained.")
    program = (
        "import sys; from maskwright.text.readers import read_documents\n"
        f"list(read_documents([{str(tmp_path / 'a.txt')!r}], language='en'))\n"
        "print([name for name in ('fsspec', 'pyarrow', 'mwparserfromhell', 'resiliparse') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_input_knows_where_it_lies() -> None:
    assert InputFile("a.txt", 3, True).is_local
    for other in (InputFile("-", None, True), InputFile("s3://a", 3, True), InputFile("a.zip", 3, True, member="b")):
        assert not other.is_local
    assert texts("en")
