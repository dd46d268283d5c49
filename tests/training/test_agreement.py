"""What ranks say of themselves before they are joined, and what is refused."""

import threading
from pathlib import Path

import pytest
import torch

import maskwright
from maskwright.errors import BadInput
from maskwright.training.agreement import Place, agree_on_devices, check_alike, check_places, code, terms
from tests.training.works import recipe


def test_a_rank_without_a_gpu_is_named() -> None:
    with pytest.raises(BadInput, match=r"ranks 1, 2 and 4 on b sees no GPU, and rank 0 on a has one"):
        check_places([Place("a", "0"), Place("b", None), Place("b", None), Place("a", "1"), Place("c", None)])


def test_two_ranks_on_one_gpu_are_named() -> None:
    with pytest.raises(BadInput, match=r"ranks 1 and 2 have the same GPU of a: start as many processes"):
        check_places([Place("a", "0"), Place("a", "1"), Place("a", "1")])


def test_the_same_number_on_two_hosts_and_no_gpu_at_all_are_welcome() -> None:
    check_places([Place("a", "0"), Place("b", "0")])
    check_places([Place("a", None), Place("a", None)])


class Told:
    """A store for threads."""

    def __init__(self) -> None:
        self.there, self.told = threading.Condition(), dict[str, bytes]()

    def set(self, key: str, value: str) -> None:
        with self.there:
            self.told[key] = value.encode()
            self.there.notify_all()

    def get(self, key: str) -> bytes:
        with self.there:
            assert self.there.wait_for(lambda: key in self.told, timeout=20)
            return self.told[key]


def test_all_ranks_come_to_the_same_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Card:
        uuid = "GPU-7"

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Card)
    store, said = Told(), dict[int, str]()

    def rank(number: int) -> None:
        try:
            agree_on_devices(store, number, 2, torch.device("cuda", 0) if number else None)
        except BadInput as error:
            said[number] = str(error)

    threads = [threading.Thread(target=rank, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said[0] == said[1] and said[0].startswith("rank 0 on ")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"corpus": "f" * 64}, r"\(corpus: aaaa on rank 0, f{40} on ranks 1 and 2\)"),
        ({"maskwright": "0.9 (1234)"}, r"\(maskwright: .* on rank 0, 0\.9 \(1234\) on ranks 1 and 2\)"),
        ({"torch": "2.9"}, r"\(torch: .* on rank 0, 2\.9 on ranks 1 and 2\)"),
        ({"training.seed": 7, "model.new": 1}, r"training\.seed: 0 on rank 0, 7 on .*; model\.new: None on rank 0"),
        ({"a": 1, "b": 1, "c": 1, "d": 1}, r"c: None on rank 0, 1 on ranks 1 and 2; \.\.\.\): start all of them"),
    ],
)
def test_ranks_that_would_train_something_else_are_named(change: dict[str, object], match: str) -> None:
    said = terms(recipe(), corpus="aaaa", tokenizer="bbbb")
    check_alike([said, dict(said)])
    with pytest.raises(BadInput, match=match):
        check_alike([said, {**said, **change}, {**said, **change}])


def test_where_the_corpus_lies_is_each_host_s_own_affair() -> None:
    check_alike([terms(recipe().with_changes(corpus=path), corpus="aaaa") for path in ("/a", "/b")])


def test_the_code_is_known_by_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [code(), code()]
    (tmp_path / "__init__.py").write_text("")
    monkeypatch.setattr(maskwright, "__file__", str(tmp_path / "__init__.py"))
    found += [code()]
    (tmp_path / "__init__.py").write_text("x = 1")
    found += [code()]
    assert len(set(found)) == 3 and found[0] == found[1] and found[0].startswith(maskwright.__version__)
