"""Configs: what TOML says is what comes back, and every wrong key is named with the right one."""

import math
import tomllib
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError, model_validator

from maskwright.config import Config, checked, literal, override, plain, read_toml, write_toml
from maskwright.errors import BadInput


class Pooling(Enum):
    CLS = "cls"
    MEAN = "mean"


class AdamW(Config):
    name: Literal["adamw"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.999)


class Muon(Config):
    name: Literal["muon"] = "muon"
    momentum: float = 0.95


class Training(Config):
    steps: int = Field(default=1000, gt=0)
    peak_rate: float = 1e-4
    clip: float | None = 1.0
    schedule: Literal["none", "linear"] | None = "linear"
    bf16: bool = True
    optimizer: Annotated[AdamW | Muon, Field(discriminator="name")] = AdamW()


class Model(Config):
    hidden_size: int = 128
    num_attention_heads: int = 2
    hidden_dropout_prob: float = Field(default=0.1, ge=0, le=1)

    @model_validator(mode="after")
    def _heads_divide(self) -> "Model":
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(f"{self.num_attention_heads} heads do not divide hidden size {self.hidden_size}")
        return self


class Recipe(Config):
    corpus: Path = Path("corpora/en")
    title: str = ""
    pooling: Pooling = Pooling.CLS
    layers: tuple[int, ...] = ()
    model: Model = Model()
    training: Training = Training()


def message(data: dict[str, Any], cls: type[Config] = Recipe) -> str:
    with pytest.raises(BadInput) as error:
        checked(cls, data, "recipe.toml")
    assert "\n" not in str(error.value)
    return str(error.value)


ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
TRAINING = st.builds(
    Training,
    steps=st.integers(1, 2**63 - 1),
    peak_rate=ANY_FLOAT,
    clip=st.none() | ANY_FLOAT,
    schedule=st.sampled_from([None, "none", "linear"]).filter(lambda name: name is not None),
    bf16=st.booleans(),
    optimizer=st.builds(AdamW, betas=st.tuples(ANY_FLOAT, ANY_FLOAT)) | st.builds(Muon, momentum=ANY_FLOAT),
)
RECIPES = st.builds(
    Recipe,
    corpus=TEXT.map(Path),
    title=TEXT,
    pooling=st.sampled_from(Pooling),
    layers=st.lists(st.integers(-(2**63), 2**63 - 1)).map(tuple),
    training=TRAINING,
)


@given(RECIPES)
def test_a_config_comes_back_from_toml_as_it_was(recipe: Recipe) -> None:
    text = write_toml(plain(recipe))
    again = checked(Recipe, tomllib.loads(text), "text")
    assert repr(again) == repr(recipe)  # repr, since NaN differs from itself
    assert write_toml(plain(again)) == text


@given(ANY_FLOAT)
def test_a_float_written_by_python_is_read_exactly(number: float) -> None:
    recipe = checked(Recipe, override({}, {"training.peak_rate": repr(number)}), "override")
    assert math.isnan(number) if math.isnan(recipe.training.peak_rate) else recipe.training.peak_rate == number


def test_none_is_written_as_a_word_and_stays_a_name_where_it_is_one() -> None:
    assert checked(Training, {"clip": "none", "schedule": "none"}, "x") == Training(clip=None, schedule="none")
    assert 'clip = "none"' in write_toml(plain(Training(clip=None)))


def test_a_config_is_frozen_and_copies_are_checked() -> None:
    with pytest.raises(ValidationError):
        Training().steps = 5  # type: ignore[misc]
    assert Training().with_changes(steps=5).steps == 5
    with pytest.raises(ValidationError):
        Training().with_changes(steps=0)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"trainng": {}}, "unknown key trainng (did you mean training?)"),
        ({"training": {"stesp": 1}}, "unknown key training.stesp (did you mean training.steps?)"),
        ({"steps": 1}, "unknown key steps (did you mean training.steps?)"),
        ({"hidden_dropout": 0}, "unknown key hidden_dropout (did you mean model.hidden_dropout_prob?)"),
        ({"model": {"steps": 1}}, "unknown key model.steps (did you mean training.steps?)"),
        ({"training": {"optimizer": {"name": "muon", "momentun": 1}}}, "(did you mean training.optimizer.momentum?)"),
        ({"model": {"zzz": 1}}, "unknown key model.zzz (there are hidden_size, num_attention_heads"),
        ({"training": {"steps": 0}}, "training.steps is 0: must be greater than 0"),
        ({"training": {"steps": 1.5}}, "training.steps is 1.5: must be a valid integer"),
        ({"training": {"steps": True}}, "training.steps is 'true': must be a valid integer"),
        ({"training": {"bf16": "maybe"}}, "training.bf16 is 'maybe': must be a valid boolean"),
        ({"training": {"schedule": "cosine"}}, "training.schedule is 'cosine': must be 'none' or 'linear'"),
        ({"training": 3}, "training is 3: must be a valid dictionary or instance of Training"),
        ({"model": {"num_attention_heads": 3}}, "model: 3 heads do not divide hidden size 128"),
        ({"layers": [1, "x"]}, "layers.1 is 'x': must be a valid integer"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_the_way_out(data: dict[str, Any], words: str) -> None:
    assert words in message(data)
    assert message(data).startswith("recipe.toml: ")


def test_all_that_is_wrong_is_said_at_once_unknown_keys_first() -> None:
    said = message({"training": {"steps": -1, "bf61": True}, "modle": {}})
    assert said.index("training.bf61") < said.index("training.steps is -1") and "did you mean model?" in said


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1000", 1000), ("-3", -3), ("1_000", 1000), ("007", 7), ("1e6", 1_000_000), ("1e-4", 1e-4), (".5", 0.5),
        ("1.0", 1.0), ("inf", math.inf), ("-inf", -math.inf), ("true", True), ("False", False), ("none", "none"),
        ("linear", "linear"), ("1.2.3", "1.2.3"), ("", ""), ('"1000"', "1000"), ("[0.9, 0.98]", [0.9, 0.98]),
        ('{name = "muon"}', {"name": "muon"}), ("2026-01-01", "2026-01-01"), ("1e999", math.inf),
    ],
)  # fmt: skip
def test_a_literal_is_typed_as_toml_would(text: str, value: object) -> None:
    assert (literal(text), type(literal(text))) == (value, type(value))


def test_an_override_is_typed_and_leaves_its_source_alone() -> None:
    data = plain(Recipe())
    before = repr(data)
    changes = {"training.steps": "1e3", "training.clip": "none", "model.hidden_dropout_prob": "0", "title": '"7"'}
    recipe = checked(Recipe, override(data, changes), "overrides")
    assert (recipe.training.steps, recipe.training.clip) == (1000, None)
    assert (recipe.model.hidden_dropout_prob, recipe.title) == (0.0, "7")
    assert repr(data) == before


def test_an_override_below_a_value_is_refused() -> None:
    with pytest.raises(BadInput, match=r"training\.steps is 5, a value and no table"):
        override({"training": {"steps": 5}}, {"training.steps.first": "1"})
    with pytest.raises(BadInput, match="cannot read '\\[1, 2'"):
        override({}, {"layers": "[1, 2"})


def test_reading_names_what_is_no_toml(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("steps = \n")
    with pytest.raises(BadInput, match=r"bad\.toml: not TOML: .*line 1"):
        read_toml(tmp_path / "bad.toml")
    (tmp_path / "latin.toml").write_bytes('title = "caf\u00e9"'.encode("latin-1"))
    with pytest.raises(BadInput, match="byte 12 is not UTF-8"):
        read_toml(tmp_path / "latin.toml")
    (tmp_path / "good.toml").write_text("[training]\nsteps = 5\nrate = 1e-4\n")
    assert read_toml(tmp_path / "good.toml") == {"training": {"steps": 5, "rate": 1e-4}}
