"""Current settings are observed in the store, wherever it is; no file of this machine is read."""

import json
from collections.abc import Callable
from pathlib import Path

import dagster as dg

from forex_assets.core.config_store import ConfigStore
from forex_assets.core.dagster.config_observations import changed_configs, report_changed_configs
from forex_assets.core.session import open_session
from forex_assets.core.settings import PROJECT
from forex_assets.core.store.memory import Memory
from forex_assets.core.store.opening import open_store


def versions(instance: dg.DagsterInstance, configs: ConfigStore) -> dict[str | None, str | None]:
    """Data versions that are new since the last call."""
    changed = changed_configs(instance, configs)
    report_changed_configs(instance, configs)
    return {observation.partition: observation.data_version for observation in changed}


def test_settings_in_a_store_without_a_disk_are_observed_by_what_they_say(
    tmp_path: Path, environment: Callable[..., None]
) -> None:
    environment(FOREX_STORE="memory://observed", FOREX_CONFIGS=str(tmp_path / "none"), FOREX_WAREHOUSE=str(tmp_path))
    files = open_store("memory://observed").under("configs")
    content = {key: (PROJECT / "configs" / key).read_bytes() for key in (f"chronos_{n}d.json" for n in (7, 15, 30, 90))}
    for key, text in content.items():
        files.put(key, text)
    configs, values = open_session().configs, json.loads(content["chronos_7d.json"])
    with dg.DagsterInstance.ephemeral() as instance:
        first = versions(instance, configs)
        assert sorted(map(str, first)) == ["15d", "30d", "7d", "90d"]
        assert len(set(first.values())) == 4
        files.put("chronos_7d.json", json.dumps(values, indent=7).encode())
        assert versions(instance, configs) == {}, "another tag, and the same settings"
        files.put("chronos_7d.json", json.dumps(values | {"seed": values["seed"] + 1}).encode())
        (changed,) = versions(instance, configs).items()
        assert changed[0] == "7d"
        assert changed[1] != first["7d"]
        files.put("chronos_7d.json", content["chronos_7d.json"])
        assert versions(instance, configs) == {"7d": first["7d"]}, "a rollback is observed as the settings of before"
        other = Memory()
        other.put("chronos_7d.json", content["chronos_7d.json"])
        assert changed_configs(instance, ConfigStore(other), ["7d"]) == [], "a copy in another store is the same"
