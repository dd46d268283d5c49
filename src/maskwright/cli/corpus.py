"""`maskwright corpus`: raw text to tokenised, memory-mapped shards."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from maskwright.cli.corpus_parts import PARTS as PARTS
from maskwright.cli.corpus_parts import described
from maskwright.cli.overrides import Overrides
from maskwright.cli.results import AsJson, log, show

if TYPE_CHECKING:
    from maskwright.corpus.sources import Source

SAMPLES: dict[str, Literal["en", "zh"]] = {"austen": "en", "sanguo": "zh"}


def corpus(
    *inputs: Annotated[str, Parameter(allow_leading_hyphen=True)],
    out: Path,
    language: Literal["en", "zh"] = "en",
    languages: str | None = None,
    shape: Literal[
        "auto", "sentences", "paragraphs", "jsonl", "csv", "tsv", "parquet", "arrow", "wikipedia", "warc", "aligned"
    ] = "auto",
    text_column: str = "text",
    sample: Literal["austen", "sanguo"] | None = None,
    tokenizer: Path | None = None,
    kind: Literal["wordpiece", "byte_bpe", "bpe", "unigram", "characters", "words"] | None = None,
    vocab_size: int | None = None,
    cased: bool = False,
    held_out: Annotated[float, Parameter(name="--held-out")] = 0.05,
    segmenter: str = "auto",
    dictionary: Path | None = None,
    workers: int | None = None,
    engine: Literal["local", "ray", "slurm"] = "local",
    slurm_options: str | None = None,
    seed: int = 0,
    json: AsJson = False,
    overrides: Overrides,
) -> None:
    """Make a corpus: tokenised, memory-mapped shards, and a manifest of them.

    Reads one sentence a line with empty lines between documents (BERT's own
    format), plain paragraphs, jsonl, csv, tsv, Parquet, saved data sets of
    Hugging Face, dumps of Wikipedia and crawls (WARC), also packed and in .zip
    archives, from files, folders and URLs. Memory stays constant whatever the
    size; the result is the same for any number of workers on any engine.
    Stopped in the middle, the same command goes on.

    With --languages, a parallel corpus: each sentence is followed by its
    translation. Pairs come as .tsv of two columns, as .jsonl with fields named as
    the languages, or as two files of lines that match. An empty line ends a
    document, and so does another value in a column or field "document". Pairs with
    an empty side and pairs that stood before are left out, and counted.

    Cleaning is off unless asked for, a step at a time, by --clean.STEP VALUE:
    mojibake, controls, repetition true; unicode NFC|NFKC; width letters|all;
    script simplified|traditional; language documents|lines; duplicates
    exact|near (near_threshold 0.8); min_characters, max_characters,
    min_line_characters, max_line_characters N. What it did stands in README.md
    of the corpus.

    Args:
        inputs: Files, folders, URLs, pipes, or - for the standard input.
        out: The folder to make.
        language: Of the text: en or zh. It decides how sentences and words end.
        languages: Of pairs of sentences, the first and the second: en,zh. Any two
            names will do; a side named zh has its words found by the segmenter.
        shape: How documents stand in the files; auto looks at their first lines
            (of pairs: at the files' names; then it is tsv, jsonl or aligned).
        text_column: Where tables and rows of JSON have their text.
        sample: Take a text that travels with maskwright instead of inputs.
        tokenizer: A folder, vocab.txt, tokenizer.json, vocab.json beside
            merges.txt, spiece.model or sentencepiece.bpe.model to tokenise with.
        kind: Of the vocabulary that is trained; wordpiece unless said otherwise.
        vocab_size: Train a vocabulary of this size on the training documents
            (8000 unless a tokenizer is given; BERT's have 30,522 and 21,128).
        cased: Keep capitals and accents in the vocabulary that is trained.
        held_out: The share of documents kept aside to judge by.
        segmenter: Who finds Chinese words: rjieba, characters (there are no
            words), or module:attribute, a function of your own from a string to
            spans. auto is rjieba where it is installed.
        dictionary: More words for rjieba, a line each: word, frequency, tag.
        workers: Tasks at work at a time; all cores unless said otherwise.
        engine: Where they work: processes of this machine, a Ray cluster, or
            Slurm job arrays. The result is the same.
        slurm_options: What sbatch is told besides: "--partition=cpu --mem=4G".
        seed: Another one holds out other documents.

    Examples:
        maskwright corpus books/ --out corpora/books --vocab-size 16000
        maskwright corpus news.jsonl.zst --out corpora/news --language zh
        maskwright corpus wiki.txt --out corpora/wiki --tokenizer bert-base/
        maskwright corpus --sample austen --out corpora/austen
        maskwright corpus web.parquet --out corpora/web --clean.duplicates near
        maskwright corpus pairs.tsv --languages en,zh --out corpora/pairs
        maskwright corpus info corpora/web
    """
    from maskwright.config import checked, override
    from maskwright.corpus.build import build_corpus
    from maskwright.errors import BadInput
    from maskwright.machine import processors
    from maskwright.progress import rich_progress
    from maskwright.text.cleaning.cleaner import CleaningConfig

    if strange := [name for name in inputs if name.startswith("-") and name != "-"]:
        raise BadInput(f"unknown option {strange[0]}. See: maskwright corpus --help")
    if tokenizer is not None and (kind is not None or vocab_size is not None or cased):
        raise BadInput("--tokenizer brings its vocabulary: leave --kind, --vocab-size and --cased away, or --tokenizer")
    if slurm_options is not None and engine != "slurm":
        raise BadInput(f"--slurm-options go with --engine slurm, not {engine}")
    foreign = next((name for name in overrides if not name.startswith("clean.")), None)
    if foreign is not None:
        raise BadInput(f"unknown option --{foreign}. See: maskwright corpus --help")
    wanted = {name.removeprefix("clean."): value for name, value in overrides.items()}
    cleaning = checked(CleaningConfig, override({}, wanted), "--clean")
    source = _source(inputs, sample, language, languages, shape, text_column)
    try:
        made = build_corpus(
            source,
            out,
            tokenizer=tokenizer,
            kind=kind or "wordpiece",
            vocab_size=8000 if vocab_size is None else vocab_size,
            lowercase=False if cased else None,
            held_out=held_out,
            segmenter=segmenter,
            dictionary=dictionary,
            workers=processors() if workers is None else workers,
            engine=engine,
            engine_settings={"options": slurm_options} if slurm_options is not None else None,
            cleaning=cleaning,
            seed=seed,
            progress=rich_progress(),
        )
    except KeyboardInterrupt:
        log("Stopped. What is finished is kept; the same command goes on with it.")
        raise
    show(described(made), json=json)


def _source(
    inputs: tuple[str, ...], sample: str | None, language: str, languages: str | None, shape: Any, column: str
) -> "Source":
    """Where the text comes from, as the options say it."""
    from maskwright.corpus.parallel import ParallelText
    from maskwright.corpus.sources import SampleText, TextFiles
    from maskwright.errors import BadInput
    from maskwright.text.parallel import PAIR_SHAPES

    if sample is not None:
        if inputs or languages is not None:
            other = inputs[0] if inputs else f"--languages {languages}"
            raise BadInput(f"--sample {sample} and {other}: give the one or the other")
        return SampleText(SAMPLES[sample])
    if languages is None:
        if shape == "aligned":
            raise BadInput("--shape aligned is of pairs: say --languages FIRST,SECOND")
        return TextFiles(inputs, language=language, shape=shape, column=column)
    if (language, column) != ("en", "text"):
        raise BadInput(f"--languages {languages} names languages and columns: leave --language and --text-column away")
    names = tuple(languages.split(","))
    if len(names) != 2:
        raise BadInput(f"--languages {languages} has {len(names)} names: give two, as en,zh")
    if shape not in ("auto", *PAIR_SHAPES):
        raise BadInput(f"pairs have no --shape {shape}: there are auto, {', '.join(PAIR_SHAPES)}")
    return ParallelText(inputs, languages=names, shape=shape)
