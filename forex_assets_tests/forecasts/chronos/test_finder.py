"""Choice of model with real folders, a real cache and a loopback hub that answers, fails or stalls."""

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from forex_assets.core.inference_config import InferenceConfig
from forex_assets.forecasts.chronos.finder import ResolvedModel, effective_config, find_model, label_of
from forex_assets.forecasts.engine import EngineError


class Hub:
    """A hub on loopback.

    Attributes:
        status: what it answers; 0 means silence.
        asked: every request, as method and path.
    """

    def __init__(self) -> None:
        self.status = 200
        self.asked: list[str] = []
        self.released = threading.Event()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                hub.asked.append(f"{self.command} {self.path}")
                if hub.status == 0:
                    hub.released.wait(30)
                    return
                self.send_response(hub.status)
                if hub.status in (302, 307):
                    self.send_header("Location", f"{hub.url}/moved")
                    hub.status = 200
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_HEAD

            def log_message(self, *args: object) -> None:
                """Logs nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        """Releases stalled requests and ends."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.close()


def cached_model(cache: Path, name: str, *, has_weights: bool = True) -> Path:
    """A model in the hub's cache, laid out as the library does."""
    model = cache / f"models--{name.replace('/', '--')}"
    snapshot = model / "snapshots" / "0123abcd"
    snapshot.mkdir(parents=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("0123abcd")
    (snapshot / "config.json").write_text("{}")
    if has_weights:
        (snapshot / "model.safetensors").write_bytes(b"")
    return snapshot


def find(
    setting: str, configured: str, hub: Hub, cache: Path, embedded: Path = Path("/no/embedded"), **more: float
) -> ResolvedModel:
    """Finds a model with the test's hub and cache, by default without an embedded one."""
    return find_model(setting, configured, endpoint=hub.url, cache=cache, is_offline=False, embedded=embedded, **more)


@pytest.mark.parametrize(("setting", "configured"), [("ewma", "org/model"), ("auto", "ewma")])
def test_ewma_is_taken_at_its_word_without_asking_anyone(
    setting: str, configured: str, hub: Hub, tmp_path: Path
) -> None:
    result = find(setting, configured, hub, tmp_path)
    assert (result.kind, result.model, result.location) == ("ewma", "ewma", None)
    assert hub.asked == []


@pytest.mark.parametrize("is_auto", [True, False])
def test_a_local_folder_with_settings_is_used_without_asking_the_hub(is_auto: bool, hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    result = find("auto", str(folder), hub, tmp_path) if is_auto else find(str(folder), "org/other", hub, tmp_path)
    assert result == ResolvedModel("chronos", "my-model", str(folder), f"{folder}: local folder")
    assert hub.asked == []


@pytest.mark.parametrize("is_auto", [True, False])
def test_a_model_in_the_hubs_cache_is_used_from_there_without_asking(is_auto: bool, hub: Hub, tmp_path: Path) -> None:
    snapshot = cached_model(tmp_path, "org/cached")
    result = find("auto", "org/cached", hub, tmp_path) if is_auto else find("org/cached", "org/other", hub, tmp_path)
    assert (result.kind, result.model, result.location) == ("chronos", "org/cached", str(snapshot))
    assert hub.asked == []


def test_a_cache_without_weights_does_not_count(hub: Hub, tmp_path: Path) -> None:
    cached_model(tmp_path, "org/partial", has_weights=False)
    result = find("auto", "org/partial", hub, tmp_path)
    assert result.location == "org/partial"
    assert hub.asked == ["HEAD /org/partial/resolve/main/config.json"]


@pytest.mark.parametrize("status", [200, 302])
def test_a_hub_that_answers_has_its_model_taken(status: int, hub: Hub, tmp_path: Path) -> None:
    hub.status = status
    result = find("auto", "org/model", hub, tmp_path)
    assert (result.kind, result.model, result.location) == ("chronos", "org/model", "org/model")
    assert result.why == "org/model: not on this machine, hub has it (HTTP 200)"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (500, "hub answered an error (HTTP 500)"),
        (404, "hub has no such model (HTTP 404)"),
        (401, "hub has no such public model (HTTP 401)"),
    ],
)
def test_a_hub_that_fails_leaves_the_walk_when_auto_and_an_error_when_named(
    status: int, words: str, hub: Hub, tmp_path: Path
) -> None:
    hub.status = status
    result = find("auto", "org/model", hub, tmp_path)
    assert result == ResolvedModel("ewma", "ewma", None, f"org/model: not on this machine, {words}")
    with pytest.raises(EngineError) as caught:
        find("org/model", "org/other", hub, tmp_path)
    assert words in str(caught.value)
    assert "Set it to auto, ewma, embedded, a folder" in str(caught.value)


def test_a_hub_that_accepts_and_stays_silent_is_left_after_the_deadline(hub: Hub, tmp_path: Path) -> None:
    hub.status = 0
    result = find("auto", "org/model", hub, tmp_path, hub_timeout_s=0.2)
    assert result == ResolvedModel(
        "ewma", "ewma", None, "org/model: not on this machine, hub did not answer within 0.2 s"
    )


def test_no_hub_at_all_leaves_the_walk(hub: Hub, tmp_path: Path) -> None:
    hub.close()
    result = find("auto", "org/model", hub, tmp_path)
    assert result.kind == "ewma"
    assert "hub cannot be reached (ConnectionRefusedError)" in result.why


def test_four_horizons_ask_the_hub_once_and_a_later_run_asks_again(hub: Hub, tmp_path: Path) -> None:
    hub.status = 500
    for _ in range(4):
        assert find("auto", "org/model", hub, tmp_path).kind == "ewma"
    assert len(hub.asked) == 1
    hub.status = 200
    assert find("auto", "org/model", hub, tmp_path, remember_s=0).kind == "chronos"
    assert len(hub.asked) == 2


def test_threads_that_ask_at_once_share_one_answer(hub: Hub, tmp_path: Path) -> None:
    threads = [threading.Thread(target=find, args=("auto", "org/model", hub, tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hub.asked) == 1


def test_offline_mode_asks_nobody(hub: Hub, tmp_path: Path) -> None:
    result = find_model(
        "auto", "org/model", endpoint=hub.url, cache=tmp_path, is_offline=True, embedded=tmp_path / "none"
    )
    assert result.kind == "ewma"
    assert "offline mode is set" in result.why
    assert hub.asked == []


def test_offline_mode_and_the_hubs_address_are_read_from_the_environment(hub: Hub, tmp_path: Path) -> None:
    script = "from forex_assets.forecasts.chronos.finder import find_model; print(find_model('auto', 'org/model').why)"

    def why(**environment: str) -> str:
        base = {"HF_HOME": str(tmp_path), "HF_ENDPOINT": hub.url, "PATH": ""}
        command = [sys.executable, "-c", script]
        return subprocess.run(command, env=base | environment, capture_output=True, text=True, check=True).stdout

    assert "hub has it (HTTP 200)" in why()
    assert "offline mode is set" in why(HF_HUB_OFFLINE="1")


@pytest.mark.parametrize("name", ["/no/such/folder", "./nowhere", "org/model/more", "a b"])
def test_a_folder_that_is_not_there_is_said_so_without_asking_the_hub(name: str, hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="there is no such folder"):
        find(name, "org/other", hub, tmp_path)
    assert find("auto", name, hub, tmp_path).kind == "ewma"
    assert hub.asked == []


def test_a_folder_without_settings_is_no_model(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"a folder without a config\.json"):
        find(str(tmp_path), "org/other", hub, tmp_path)


def test_a_name_that_the_hub_forbids_is_explained(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="neither a folder nor a hub id"):
        find("org/bad--name", "org/other", hub, tmp_path)


def test_an_address_that_is_no_http_is_refused(tmp_path: Path) -> None:
    result = find_model("auto", "org/model", endpoint="file:///etc", cache=tmp_path, is_offline=False)
    assert "HF_ENDPOINT is no http address" in result.why


@pytest.fixture
def embedded(tmp_path: Path) -> Path:
    """A shipped model: settings, weights and their checksums."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    lines = [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
        for name in ("config.json", "model.safetensors")
    ]
    (folder / "SHA256SUMS").write_text("".join(lines))
    return folder


def test_the_embedded_model_is_taken_by_its_name_without_asking_anyone(
    embedded: Path, hub: Hub, tmp_path: Path
) -> None:
    why = "embedded: comes with the package"
    stand_in = ResolvedModel("chronos", "embedded", str(embedded), why, stands_in=True)
    assert find("embedded", "org/model", hub, tmp_path, embedded) == stand_in
    expected = ResolvedModel("chronos", "embedded", str(embedded), why)
    assert find("embedded", "embedded", hub, tmp_path, embedded) == expected
    assert find("auto", "embedded", hub, tmp_path, embedded) == expected
    assert hub.asked == []


def test_auto_takes_the_configured_model_then_the_embedded_one_then_the_walk(
    embedded: Path, hub: Hub, tmp_path: Path
) -> None:
    hub.status = 404
    result = find("auto", "org/model", hub, tmp_path, embedded)
    why = "org/model: not on this machine, hub has no such model (HTTP 404); so the embedded model"
    why += ", whose bands up to 30 days are about those of recent volatility alone (FOREX_MODEL=ewma)"
    assert result == ResolvedModel("chronos", "embedded", str(embedded), why, stands_in=True)
    assert find("auto", "org/model", hub, tmp_path).kind == "ewma"
    assert find("auto", "ewma", hub, tmp_path, embedded).kind == "ewma"
    cached_model(tmp_path, "org/model")
    assert find("auto", "org/model", hub, tmp_path, embedded).model == "org/model"


def test_another_model_named_outright_is_never_replaced_by_the_embedded_one(
    embedded: Path, hub: Hub, tmp_path: Path
) -> None:
    hub.status = 404
    with pytest.raises(EngineError, match="hub has no such model"):
        find("org/model", "org/other", hub, tmp_path, embedded)


def test_an_install_without_the_embedded_model_says_so(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="FOREX_MODEL=embedded: embedded: this install has no /no/embedded"):
        find("embedded", "org/model", hub, tmp_path)
    assert find("auto", "embedded", hub, tmp_path).kind == "ewma"
    assert hub.asked == []


@pytest.mark.parametrize("setting", ["embedded", "auto"])
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("model.safetensors", b"weightz", "does not have the sha256 that SHA256SUMS beside it lists"),
        ("model.safetensors", None, "is missing"),
        ("config.json", b"{ }", "does not have the sha256"),
        ("config.json", None, "is missing"),
        ("SHA256SUMS", None, "is missing"),
        ("SHA256SUMS", b"", "does not have the sha256"),
    ],
)
def test_a_damaged_embedded_model_is_an_error_and_never_quietly_something_else(
    setting: str, name: str, content: bytes | None, words: str, embedded: Path, hub: Hub, tmp_path: Path
) -> None:
    hub.status = 404
    (embedded / name).unlink()
    if content is not None:
        (embedded / name).write_bytes(content)
    with pytest.raises(EngineError) as caught:
        find(setting, "org/model", hub, tmp_path, embedded)
    message = str(caught.value)
    assert message.startswith(f"FOREX_MODEL={setting}: the embedded model is damaged: {embedded}/")
    assert words in message
    assert message.endswith("Install the package anew, or set FOREX_MODEL to ewma")


def config_of(**fields: object) -> InferenceConfig:
    return InferenceConfig.model_validate({"horizon": "15d", "model": "org/model", "context_length": 90, **fields})


def test_a_config_that_the_embedded_model_stands_in_for_is_adapted_to_it() -> None:
    stand_in = ResolvedModel("chronos", "embedded", "/x", "why", stands_in=True)
    config = config_of(num_samples=100, temperature=0.8, seed=7, is_calibrated=False)
    adapted = effective_config(config, stand_in)
    sampling = {"num_samples": 100, "temperature": 0.8}
    assert adapted == config_of(model="embedded", representation="returns", seed=7, is_calibrated=False, **sampling)
    assert adapted.fingerprint != config.fingerprint
    bolt = effective_config(config_of(), stand_in)
    assert (bolt.num_samples, bolt.temperature, bolt.representation) == (200, 1.0, "returns")


def test_a_config_of_the_model_that_was_found_is_left_as_it_is() -> None:
    config = config_of(model="embedded", representation="anchored")
    assert effective_config(config, ResolvedModel("chronos", "embedded", "/x", "why")) is config
    assert effective_config(config, ResolvedModel("ewma", "ewma", None, "why")) is config


def test_fans_of_another_rule_are_another_models(tmp_path: Path) -> None:
    """The name in tables carries the fan rule's version, and a digest of listed weights."""
    hub = ResolvedModel("chronos", "org/model", "org/model", "")
    assert label_of(hub) == "org/model@fan2"
    (tmp_path / "SHA256SUMS").write_text("x")
    assert label_of(ResolvedModel("chronos", "embedded", str(tmp_path), "")) == "embedded@2d711642-fan2"
    assert label_of(ResolvedModel("ewma", "ewma", None, "")) == "ewma"
