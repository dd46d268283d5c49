"""Byte-pair encoding of words with a mark at their end, GPT's tokenizer (Radford et al. 2018; Sennrich et al. 2016).

Text is prepared and cut into words as for BERT; each word's characters, the last with </w> behind it, are merged in
pairs, in the order in which the pairs were learnt. Ids are those of the `tokenizers` library, which stands in for the
original's ftfy and spaCy. The only special token is <unk>: nothing begins, ends or hides.

>>> tokenizer = BPE(["<unk>", "l", "o", "w</w>", "r", "lo", "low</w>"], [("l", "o"), ("lo", "w</w>")])
>>> [tokenizer.id_to_token(i) for i in tokenizer.encode_sentences(["Low, lor"]).token_ids.tolist()]
['low</w>', '<unk>', 'lo', '<unk>']
"""

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Library

from maskwright.config import Config
from maskwright.errors import BadInput
from maskwright.text.words import Segmenter
from maskwright.tokenizers.bert_words import BertWords
from maskwright.tokenizers.json_file import as_json, check_added, flag, part_of, read_json, tokens_by_id
from maskwright.tokenizers.lookup import Encoded, Lookup
from maskwright.tokenizers.merges import Merge, check_merges, merges_of, read_merges
from maskwright.tokenizers.pairs import A, B, Layout, Side
from maskwright.tokenizers.tokenizer import Kind, Tokenizer, Vocabulary

UNKNOWN, END = "<unk>", "</w>"


class BPEOptions(Config):
    """How text becomes words."""

    lowercase: bool = True
    """Lower-case the text and strip its accents."""


class BPE(Tokenizer):
    """A vocabulary of pieces, and the merges that make them."""

    kind: ClassVar[Kind] = "bpe"
    layout = Layout(single=((A, 0),), pair=((A, 0), (B, 0)))

    def __init__(
        self,
        tokens: Sequence[str],
        merges: Sequence[Merge],
        options: BPEOptions | None = None,
        where: str | Path = "vocabulary",
    ) -> None:
        """Raises BadInput for a token that stands twice, a missing <unk>, and a merge of what is no token."""
        self.options = options or BPEOptions()
        self.vocabulary = Vocabulary(tokens, {"unk": UNKNOWN}, (UNKNOWN,), where=where)
        self.unknown_id = self.vocabulary.ids[UNKNOWN]
        self.merges = tuple(merges)
        check_merges(self.merges, self.vocabulary.ids.keys(), where)

    @staticmethod
    def train(sentences: Iterable[str], vocab_size: int, *, lowercase: bool = True, min_count: int = 2) -> "BPE":
        """A tokenizer with at most `vocab_size` tokens; the same text gives the same one everywhere.

        min_count  pairs of pieces that occur less often are not merged

        Where half of the tokens would not do for its characters, the rarest are unknown.
        """
        options = BPEOptions(lowercase=lowercase)
        library = _prepared(models.BPE(unk_token=UNKNOWN, end_of_word_suffix=END), options)
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=min_count,
            special_tokens=[UNKNOWN],
            end_of_word_suffix=END,
            limit_alphabet=max(1, (vocab_size - 1) // 2),  # each may stand inside a word and at its end
            show_progress=False,
        )
        library.train_from_iterator(sentences, trainer)
        model = json.loads(library.to_str())["model"]
        merges = [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in model["merges"]]
        return BPE(sorted(model["vocab"], key=model["vocab"].__getitem__), merges, options)

    @staticmethod
    def load(path: str | Path) -> "BPE":
        """From a tokenizer.json, a vocab.json with merges.txt beside it, or a folder of either; BadInput if neither."""
        path = Path(path)
        file = path / "tokenizer.json" if path.is_dir() else path
        if file.name in ("vocab.json", "merges.txt") or not file.is_file():
            folder = path if path.is_dir() else path.parent
            file = folder / "vocab.json"
            return BPE(tokens_by_id(read_json(file), file), read_merges(folder / "merges.txt"), None, file)
        data = read_json(file)
        model = part_of(data, "model", {"BPE"}, file, "GPT")
        normalizer = part_of(data, "normalizer", {"BertNormalizer"}, file, "GPT")
        part_of(data, "pre_tokenizer", {"BertPreTokenizer"}, file, "GPT")
        wanted = {"unk_token": UNKNOWN, "end_of_word_suffix": END, "dropout": None, "byte_fallback": False}
        for name, value in wanted.items():
            if model.get(name, value) not in (value, None):
                raise BadInput(f"{file}: {name} of the model is {model.get(name)!r}; GPT's is {value!r}")
        if data.get("post_processor") is not None:
            around = part_of(data, "post_processor", {"TemplateProcessing"}, file, "GPT")
            if "SpecialToken" in json.dumps([around.get("single"), around.get("pair")]):
                raise BadInput(f"{file}: post_processor puts something around texts; GPT puts nothing")
        tokens = tokens_by_id(model.get("vocab"), file)
        check_added(data, tokens, (UNKNOWN,), file)
        options = BPEOptions(lowercase=flag(normalizer, "lowercase", True, file))
        return BPE(tokens, merges_of(model.get("merges"), file), options, file)

    def files(self) -> dict[str, bytes]:
        """As `Tokenizer.files`."""
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        data = json.loads(self._plain.to_str())
        data["added_tokens"] = [{"id": self.unknown_id, "content": UNKNOWN, **flags}]
        data["decoder"] = {"type": "BPEDecoder", "suffix": END}
        data["model"] |= {"vocab": self.vocabulary.ids, "merges": [list(merge) for merge in self.merges]}
        names = {"unk_token": UNKNOWN}
        settings = {**names, "do_lower_case": self.options.lowercase, "tokenizer_class": "OpenAIGPTTokenizer"}
        if not self.options.lowercase:  # which that class always does
            settings["tokenizer_class"] = "PreTrainedTokenizerFast"
        merges = "".join(f"{left} {right}\n" for left, right in self.merges)
        return {
            "tokenizer.json": as_json(data),
            "tokenizer_config.json": as_json(dict(sorted(settings.items()))),
            "special_tokens_map.json": as_json(names),
            "vocab.json": as_json(self.vocabulary.ids),
            "merges.txt": ("#version: 0.2\n" + merges).encode(),
        }

    @cached_property
    def _plain(self) -> Library:
        """<unk> in a text is three marks."""
        model = models.BPE(
            vocab=self.vocabulary.ids, merges=list(self.merges), unk_token=UNKNOWN, end_of_word_suffix=END
        )
        return _prepared(model, self.options)

    @cached_property
    def _marked(self) -> Library:
        """Takes <unk> in a text for the special token."""
        library = Library.from_str(self._plain.to_str())
        library.decoder = decoders.BPEDecoder(suffix=END)
        library.add_special_tokens([AddedToken(UNKNOWN, normalized=False, special=True)])
        return library

    @cached_property
    def _lookup(self) -> Lookup:
        return Lookup(BertWords(self._plain), self.unknown_id)

    def encode_sentences(
        self, sentences: Sequence[str], segmenter: Segmenter | None = None, unknown: list[tuple[int, str]] | None = None
    ) -> Encoded:
        """As `Tokenizer.encode_sentences`."""
        return self._lookup.encode(sentences, segmenter, unknown)

    def sides(self, texts: Sequence[str], *, special_in_text: bool) -> list[Side]:
        """As `Tokenizer.sides`."""
        library = self._marked if special_in_text else self._plain
        return [Side.of(encoding) for encoding in library.encode_batch(list(texts), add_special_tokens=False)]

    def decode(self, ids: Iterable[int], *, skip_special: bool = False) -> str:
        """Pieces joined to words: what was lost on the way in, such as capitals, does not come back."""
        return self._marked.decode([int(index) for index in ids], skip_special_tokens=skip_special)


def _prepared(model: models.Model, options: BPEOptions) -> Library:
    library = Library(model)
    library.normalizer = normalizers.BertNormalizer(lowercase=options.lowercase)
    library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return library
