"""Settings: the clock, blanks, secrets, and errors that name the variable."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dagster._core.secrets.env_file import get_env_var_dict

from forex_assets.core.settings import PROJECT, Settings, SettingsError, load_settings, unknown_names


@pytest.fixture(autouse=True)
def _clean(environment: Callable[..., None]) -> None:
    """Each test sees only the names that it sets."""


def test_a_bare_date_means_seven_in_the_evening_in_santiago() -> None:
    summer, winter = load_settings(as_of="2023-12-29"), load_settings(as_of="2023-07-03")
    assert summer.now == datetime(2023, 12, 29, 22, 0, tzinfo=UTC)  # UTC-3
    assert winter.now == datetime(2023, 7, 3, 23, 0, tzinfo=UTC)  # UTC-4


def test_a_date_without_dashes_is_the_same_date_and_a_time_without_zone_is_santiagos() -> None:
    assert load_settings(as_of="20231229").now == load_settings(as_of="2023-12-29").now
    assert load_settings(as_of="2023-12-29T15:00").now == datetime(2023, 12, 29, 18, 0, tzinfo=UTC)


def test_a_relative_folder_is_the_projects_and_a_misspelt_name_is_noticed() -> None:
    os.environ.update({"FOREX_WAREHOUSE": "elsewhere", "FOREX_WAREHOSE": "x", "DAGSTER_HOME": "home"})
    assert load_settings().warehouse == PROJECT / "elsewhere"
    assert load_settings().dagster_home == PROJECT / "home"
    assert unknown_names() == ["FOREX_WAREHOSE"]


def test_the_clock_comes_from_the_environment() -> None:
    os.environ["FOREX_AS_OF"] = "2022-03-01T15:00:00-03:00"
    assert load_settings().now == datetime(2022, 3, 1, 18, 0, tzinfo=UTC)


def test_without_a_date_the_clock_is_the_real_one() -> None:
    before = datetime.now(UTC)
    assert before <= load_settings().now <= datetime.now(UTC)


@pytest.mark.parametrize("text", ["tomorrow", "2023-13-01", "29-12-2023", "2999-01-01"])
def test_a_wrong_date_is_refused_by_name_and_value(text: str) -> None:
    with pytest.raises(SettingsError, match=f"FOREX_AS_OF={text}"):
        load_settings(as_of=text)


def test_a_wrong_word_names_the_variable_and_the_words_that_are_right() -> None:
    os.environ["FOREX_MARKET"] = "real"
    with pytest.raises(SettingsError, match=r"FOREX_MARKET=real.*'live'.*'sample'.*'auto'"):
        load_settings()


def test_a_blank_value_means_the_default() -> None:
    os.environ.update({"FOREX_MODEL": "", "FOREX_AS_OF": "", "FRED_API_KEY": "", "FOREX_WAREHOUSE": ""})
    settings = load_settings()
    assert (settings.model, settings.as_of, settings.fred_api_key) == ("auto", None, None)
    assert settings.warehouse == PROJECT / "warehouse"


def test_secrets_do_not_show() -> None:
    os.environ.update({"FRED_API_KEY": "abcdef123456", "BCCH_PASSWORD": "hunter2"})
    settings = load_settings()
    text = f"{settings} {settings!r} {settings.model_dump_json()}"
    assert "abcdef" not in text
    assert "hunter2" not in text
    assert settings.fred_api_key is not None
    assert settings.fred_api_key.get_secret_value() == "abcdef123456"


def test_dagster_home_lies_in_the_warehouse_unless_it_is_set(tmp_path: Path) -> None:
    assert load_settings(warehouse=tmp_path).dagster_home == tmp_path / "dagster"
    os.environ["DAGSTER_HOME"] = "/somewhere"
    assert load_settings(warehouse=tmp_path).dagster_home == Path("/somewhere")


def test_the_page_of_settings_documents_every_one() -> None:
    text = (PROJECT / "docs/configuration.md").read_text(encoding="utf-8")
    names = [field.alias or f"FOREX_{name.upper()}" for name, field in Settings.model_fields.items()]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_a_dotenv_file_is_honoured_and_the_environment_comes_first(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("FOREX_MODEL=from-file\nFOREX_DEVICE=cpu\nFRED_API_KEY=k\n")
    os.environ["FOREX_DEVICE"] = "cuda"
    settings = Settings(_env_file=file)  # type: ignore[call-arg]
    assert (settings.model, settings.device) == ("from-file", "cuda")
    assert settings.fred_api_key is not None


def test_quotes_around_a_secret_a_byte_order_mark_and_comments_elsewhere_are_no_part_of_a_value(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    lines = [
        "BCCH_USER='me'  # account",
        'BCCH_PASSWORD="a # b"',
        "FOREX_DEVICE=cpu  # no GPU",
        "FRED_API_KEY=  # none",
    ]
    file.write_text("\r\n".join(lines), encoding="utf-8-sig")
    settings = Settings(_env_file=file)  # type: ignore[call-arg]
    assert settings.bcch_user is not None
    assert settings.bcch_password is not None
    assert settings.bcch_user.get_secret_value() == "me"
    assert settings.bcch_password.get_secret_value() == "a # b"
    assert (settings.device, settings.fred_api_key) == ("cpu", None)


@pytest.mark.parametrize(
    "secret",
    [
        "a${HOME}b",
        "a$HOME",
        "${NOT_SET:-x}",
        "p${BCCH_USER}",
        "p #1",
        "p# 1",
        "#1",
        '"un',
        "it's",
        '"x"y',
        "a = b",
        "ñ €",
    ],
)
def test_a_secret_is_what_stands_in_the_file_also_after_dagster_has_expanded_it(tmp_path: Path, secret: str) -> None:
    file = tmp_path / ".env"
    file.write_text(f"BCCH_USER=desk@example.org\nBCCH_PASSWORD={secret}\n")
    settings = Settings(_env_file=file)  # type: ignore[call-arg]
    assert settings.bcch_password is not None
    assert settings.bcch_password.get_secret_value() == secret
    os.environ.update(get_env_var_dict(str(tmp_path)))  # as `dagster dev` does
    settings = Settings(_env_file=file)  # type: ignore[call-arg]
    assert settings.bcch_password is not None
    assert settings.bcch_password.get_secret_value() == secret
    os.environ["BCCH_PASSWORD"] = "of the environment"
    settings = Settings(_env_file=file)  # type: ignore[call-arg]
    assert settings.bcch_password is not None
    assert settings.bcch_password.get_secret_value() == "of the environment"


@pytest.mark.parametrize("address", ["postgresql://dagster:hunter2@db/dagster", "dagster:hunter2@db", "sqlite:///x"])
def test_an_address_of_postgres_names_its_driver_and_is_not_shown(address: str) -> None:
    os.environ["DAGSTER_PG_URL"] = address
    with pytest.raises(SettingsError, match=r"DAGSTER_PG_URL=…: .*postgresql\+psycopg2://") as refused:
        load_settings()
    assert "hunter2" not in str(refused.value)
