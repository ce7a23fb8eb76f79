"""`FOREX_COMPUTE`: three forms, and nothing that lets strangers run code here."""

from pathlib import Path

import pytest

from forex_assets.core.compute.setting import ComputeSettingError, TlsFiles, compute_setting, is_loopback
from forex_assets.core.settings import SettingsError, load_settings

NO_TLS = TlsFiles()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("auto", 0, "")),
        ("processes:1", ("process", 0, "")),
        ("processes:4", ("processes", 4, "")),
        ("dask:tcp://127.0.0.1:8786", ("dask", 0, "tcp://127.0.0.1:8786")),
        ("dask:tcp://localhost:8786/", ("dask", 0, "tcp://localhost:8786")),
        ("dask:tcp://[::1]:8786", ("dask", 0, "tcp://[::1]:8786")),
    ],
)
def test_each_form_says_where_blocks_are_computed(text: str, expected: tuple[str, int, str]) -> None:
    setting = compute_setting(text, NO_TLS)
    assert (setting.kind, setting.processes, setting.address) == expected


@pytest.mark.parametrize(
    "text",
    ["4", "threads:4", "processes", "processes:", "processes:0", "processes:-1", "processes:2.5", "processes:257",
     "processes:²", "dask", "dask:", "dask:tcp://", "dask:tcp://127.0.0.1", "dask:tcp://127.0.0.1:x",
     "dask:tcp://127.0.0.1:99999", "dask:http://127.0.0.1:8786", "dask:tcp://127.0.0.1:8786/path",
     "dask:tcp://user:secret@127.0.0.1:8786", "dask:tcp://[::1", "ray://x"],
)  # fmt: skip
def test_another_form_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ComputeSettingError, match=r"processes:4|tcp://127\.0\.0\.1:8786"):
        compute_setting(text, NO_TLS)


@pytest.mark.parametrize("host", ["10.0.0.5", "scheduler", "0.0.0.0", "127.0.0.1.example.org", "[2001:db8::1]"])
def test_a_machine_elsewhere_is_refused_without_tls(host: str) -> None:
    with pytest.raises(ComputeSettingError, match="run code"):
        compute_setting(f"dask:tcp://{host}:8786", NO_TLS)


def test_tls_needs_all_three_files_and_names_the_missing_one(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem")]
    for number, name in enumerate(("CA", "CERT", "KEY")):
        some = [*files[:number], None, *files[number + 1 :]]
        for file in files[:number]:
            file.touch()
        with pytest.raises(ComputeSettingError, match=f"FOREX_COMPUTE_{name}"):
            compute_setting("dask:tls://10.0.0.5:8786", TlsFiles(*some))
        with pytest.raises(ComputeSettingError, match=f"FOREX_COMPUTE_{name}.*no file"):
            compute_setting("dask:tls://10.0.0.5:8786", TlsFiles(*files))
    files[2].touch()
    assert compute_setting("dask:tls://10.0.0.5:8786", TlsFiles(*files)).tls == TlsFiles(*files)


def test_loopback_is_told_by_address_not_by_how_it_begins() -> None:
    assert all(is_loopback(host) for host in ("localhost", "127.0.0.1", "127.3.2.1", "::1"))
    assert not any(is_loopback(host) for host in ("127.0.0.1.evil", "localhost.evil", "0.0.0.0", "::", "10.0.0.1"))


def test_a_bad_value_in_the_environment_names_its_variable(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"FOREX_COMPUTE=processes:0: .*processes:4"):
        load_settings(compute="processes:0")
    for name in ("ca", "cert", "key"):
        (tmp_path / name).touch()
    files = {f"compute_{name}": tmp_path / name for name in ("ca", "cert", "key")}
    assert load_settings(compute="dask:tls://h:1", **files).compute_setting.tls.ca == tmp_path / "ca"
    assert load_settings().compute_setting.kind == "auto"
