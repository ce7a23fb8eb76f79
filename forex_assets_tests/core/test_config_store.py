"""Configs on disk: the live ones are whole, and a broken one is explained in one line a fault."""

import json
from pathlib import Path

import pytest

from forex_assets.core.config_store import ConfigError, ConfigStore
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.store.folder import Folder

REPOSITORY = Path(__file__).parents[2]
VALUES = {
    "schema_version": 1,
    "horizon": "7d",
    "model": "amazon/chronos-t5-small",
    "context_length": 180,
    "num_samples": 100,
    "temperature": 1.0,
    "representation": "anchored",
    "is_calibrated": True,
    "uses_copper": False,
    "seed": 0,
}


def store_with(folder: Path, text: str) -> ConfigStore:
    (folder / "chronos_7d.json").write_text(text, encoding="utf-8")
    return ConfigStore(Folder(folder))


def test_the_repositorys_own_configs_are_whole_and_start_as_documented() -> None:
    configs = {horizon: ConfigStore(Folder(REPOSITORY / "configs")).read(horizon) for horizon in HORIZONS}
    assert all(config.horizon == horizon for horizon, config in configs.items())
    assert len({config.fingerprint for config in configs.values()}) == 4
    for horizon in HORIZONS:
        assert (
            json.loads(Path(ConfigStore(Folder(REPOSITORY / "configs")).place(horizon)).read_text()).keys()
            == VALUES.keys()
        )


def test_what_was_written_is_read(tmp_path: Path) -> None:
    config = store_with(tmp_path, json.dumps(VALUES)).read("7d")
    assert config.model_dump() == VALUES


def test_the_fingerprint_does_not_depend_on_the_layout_of_the_file(tmp_path: Path) -> None:
    wide = store_with(tmp_path, json.dumps(dict(reversed(VALUES.items())), indent=8)).fingerprint("7d")
    assert wide == store_with(tmp_path, json.dumps(VALUES)).fingerprint("7d")
    assert wide != store_with(tmp_path, json.dumps({**VALUES, "seed": 1})).fingerprint("7d")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"temperature": 9}, "temperature is 9: it should be less than or equal to 5 (or null"),
        ({"temperature": True}, "temperature is true: it should be a valid number"),
        ({"num_samples": 10}, "num_samples is 10: it should be greater than or equal to 20 (or null"),
        ({"context_length": "180"}, 'context_length is "180": it should be a valid integer'),
        ({"context_length": None}, "context_length is null: it should be a valid integer"),
        ({"representation": "raw"}, "representation is \"raw\": it should be 'anchored', 'levels' or 'returns'"),
        ({"horizon": "8d"}, "horizon is \"8d\": it should be '7d', '15d', '30d' or '90d'"),
        ({"horizon": "15d"}, "horizon is '15d', but the file is that of 7d"),
        ({"schema_version": 2}, "schema_version is 2: it should be 1"),
        ({"temprature": 1.0}, "temprature is no setting; there are schema_version, horizon, model, context_length"),
        ({"seed": -1}, "seed is -1: it should be greater than or equal to 0"),
    ],
    ids=str,
)
def test_a_fault_names_file_field_value_and_what_is_allowed(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    store = store_with(tmp_path, json.dumps({**VALUES, **change}))
    with pytest.raises(ConfigError) as caught:
        store.read("7d")
    message = str(caught.value)
    assert message.startswith(f"{store.place('7d')}: ")
    assert words in message
    assert "\n" not in message


def test_every_fault_has_a_line_of_its_own(tmp_path: Path) -> None:
    values = {**VALUES, "seed": -1, "extra": 0}
    del values["model"]
    with pytest.raises(ConfigError) as caught:
        store_with(tmp_path, json.dumps(values)).read("7d")
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert any("model is missing; it is required" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{\n  "horizon": "7d",\n  "model": }', "no valid JSON at line 3, column 12"),
        ("", "no valid JSON at line 1"),
        ("[1, 2]", "holds a list, should hold an object"),
        ('{"seed": 1, "seed": 2}', "field 'seed' stands twice"),
    ],
)
def test_a_file_that_is_no_object_is_explained(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=r"chronos_7d\.json") as caught:
        store_with(tmp_path, text).read("7d")
    assert words in str(caught.value)


def test_bytes_that_are_no_text_are_explained(tmp_path: Path) -> None:
    (tmp_path / "chronos_7d.json").write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(ConfigError, match="cannot be read"):
        ConfigStore(Folder(tmp_path)).read("7d")


def test_a_missing_file_says_which_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"chronos_90d\.json: there is no such file; restore it from git"):
        ConfigStore(Folder(tmp_path)).read("90d")


def test_an_unknown_horizon_has_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no horizon"):
        ConfigStore(Folder(tmp_path)).place("../7d")
