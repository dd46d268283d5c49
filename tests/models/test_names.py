"""Networks are looked up among our own modules, and each offers the same names."""

import pytest

from maskwright.errors import BadInput
from maskwright.models import OTHER_NAMES, module_of, names, network_of, published

PUBLISHED = [name for name in names() if hasattr(module_of(name), "PUBLISHED")]
"""Those that `transformers` has too."""


@pytest.mark.parametrize("model_type", [*PUBLISHED, *OTHER_NAMES])
def test_each_offers_the_same_names(model_type: str) -> None:
    module = module_of(model_type)
    config = module.Config(model_type=model_type)
    assert "tiny" in module.SIZES and config.vocab_size == module.DEFAULT_VOCABULARY
    for size in module.SIZES.values():
        assert module.Config(model_type=model_type, **size).longest >= 512
    small = config.with_changes(**module.SIZES["tiny"], vocab_size=20)
    network = network_of(small)
    assert (
        network.name == published(module.Config().model_type).name
        and module.config_json(small)["model_type"] == model_type
    )
    ours = {name.ours for name in network.weight_names()}
    assert ours == dict(network.named_parameters()).keys()
    there = published(model_type)
    assert list(there.classes)[-1] == () and there.prefix.endswith(".")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("robert", "did you mean roberta\\?"),
        ("os", r"there is no network 'os' \(there are: albert, bert, "),
        ("..recipes.bert", "there is no network"),
        ("x" * 1000, "there is no network 'x{80}'"),
    ],
)
def test_nothing_else_is_imported_from_a_name(name: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        module_of(name)
