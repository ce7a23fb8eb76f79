"""What is shipped for servers: the services start what there is, publish on loopback alone, and keep secrets out."""

import importlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from forex_assets.core.settings import PROJECT

DEPLOY, BIN = PROJECT / "deploy", Path(sys.executable).parent
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
OWN = [name for name in COMPOSE["services"] if name != "postgres"]


@pytest.mark.parametrize("name", OWN)
def test_a_service_is_confined_and_published_on_loopback_alone(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["mem_limit"]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))
    assert service.get("network_mode", "service:optimization") == "service:optimization"  # not the host's


def commands() -> list[list[str]]:
    units = [path.read_text(encoding="utf-8") for path in sorted((DEPLOY / "systemd").glob("*.service"))]
    started = [re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE) for unit in units]
    return [shlex.split(match[1]) for match in started if match] + [
        COMPOSE["services"][name]["command"] for name in OWN
    ]


def test_the_code_locations_that_are_started_are_those_of_the_workspace() -> None:
    modules = {words[words.index("-m") + 1] for words in commands() if "-m" in words}
    assert modules == {"forex_assets.locations.forecasting", "forex_assets.locations.optimization"}
    for module in modules:
        assert importlib.import_module(module).defs
    workspace = yaml.safe_load((DEPLOY / "workspace.yaml").read_text(encoding="utf-8"))
    served = {
        (server["grpc_server"]["location_name"], server["grpc_server"]["port"]) for server in workspace["load_from"]
    }
    started = {
        (words[words.index("-m") + 1].rpartition(".")[2], int(words[words.index("-p") + 1]))
        for words in commands()
        if "-m" in words
    }
    assert served == started


def test_units_bind_to_loopback_and_run_as_nobody_in_particular() -> None:
    for path in (DEPLOY / "systemd").glob("*.service"):
        unit = path.read_text(encoding="utf-8")
        assert "User=forex" in unit, path.name
        assert "MemoryMax=" in unit, path.name
        assert "0.0.0.0" not in unit, path.name


def test_the_image_does_not_run_as_root_and_holds_no_secret() -> None:
    image = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    (user,) = re.findall(r"^USER (\d+)$", image, re.MULTILINE)
    assert user != "0"
    assert f"useradd --create-home --uid {user} " in image
    for line in (DEPLOY / ".env.example").read_text(encoding="utf-8").splitlines():
        if re.match(r"\w*(PASSWORD|KEY)=", line):
            assert line.endswith("="), line
    assert "deploy/.env" in (PROJECT / ".dockerignore").read_text(encoding="utf-8")


def test_every_setting_of_the_example_is_one_that_is_read() -> None:
    from forex_assets.core.settings import Settings

    known = {field.alias or f"FOREX_{name.upper()}" for name, field in Settings.model_fields.items()}
    names = re.findall(r"^(\w+)=", (DEPLOY / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    compose = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    names = [name for name in names if f"${{{name}:-" not in compose]
    assert {name for name in names if not name.startswith("POSTGRES_")} <= known


def test_every_page_that_the_docs_point_to_is_there() -> None:
    for page in [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} points to {target}"


def said(*command: str) -> str:
    """What a checker says of our files; nothing where it finds nothing."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_hadolint_finds_nothing_in_the_dockerfile(tmp_path: Path) -> None:
    hadolint = str(BIN / "hadolint")
    assert said(hadolint, str(DEPLOY / "Dockerfile")) == ""
    worse = tmp_path / "Dockerfile"
    worse.write_text((DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("python:3.11-slim", "python:latest"))
    assert "DL3007" in said(hadolint, str(worse))


def test_the_compose_file_is_of_the_compose_schema(tmp_path: Path) -> None:
    check = (str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec")
    assert said(*check, str(DEPLOY / "compose.yaml")) == ""
    worse = tmp_path / "compose.yaml"
    worse.write_text((DEPLOY / "compose.yaml").read_text(encoding="utf-8").replace("mem_limit:", "memory_limit:"))
    assert "memory_limit" in said(*check, str(worse))


def test_the_values_for_kubernetes_are_those_of_the_chart(tmp_path: Path) -> None:
    check = (str(BIN / "check-jsonschema"), "--schemafile", str(DEPLOY / "helm.schema.json"))
    assert said(*check, str(DEPLOY / "helm.yaml")) == ""
    worse = tmp_path / "helm.yaml"
    worse.write_text((DEPLOY / "helm.yaml").read_text(encoding="utf-8").replace("postgresqlHost:", "postgresHost:"))
    assert "postgresHost" in said(*check, str(worse))


def test_kubernetes_has_the_limits_and_locations_of_one_machine_and_no_secret() -> None:
    from forex_assets.core.dagster.instance_config import FIXED

    values = yaml.safe_load((DEPLOY / "helm.yaml").read_text(encoding="utf-8"))
    concurrency = FIXED["concurrency"]
    assert values["concurrency"] == {
        "enabled": True,
        "runs": {
            "maxConcurrentRuns": concurrency["runs"]["max_concurrent_runs"],
            "tagConcurrencyLimits": concurrency["runs"]["tag_concurrency_limits"],
        },
        "pools": {
            "granularity": concurrency["pools"]["granularity"],
            "defaultLimit": concurrency["pools"]["default_limit"],
        },
    }
    pods = [*values["dagster-user-deployments"]["deployments"], values["dagsterWebserver"], values["dagsterDaemon"]]
    locations = [pod["dagsterApiGrpcArgs"] for pod in pods[:2]]
    assert locations == [["-m", f"forex_assets.locations.{pod['name']}"] for pod in pods[:2]]
    (user,) = re.findall(r"^USER (\d+)$", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    for pod in pods:
        assert pod["podSecurityContext"]["runAsUser"] == int(user)
        assert pod["env"] == pods[0]["env"], "one store for all"
        assert not [variable["name"] for variable in pod["env"] if re.search("KEY|PASSWORD|SECRET", variable["name"])]
    (store,) = [variable["value"] for variable in pods[0]["env"] if variable["name"] == "FOREX_STORE"]
    logs = values["computeLogManager"]["config"]["s3ComputeLogManager"]
    assert f"s3://{logs['bucket']}/{logs['prefix']}" == f"{store}-logs"
    assert values["postgresql"]["postgresqlScheme"] == "postgresql+psycopg2"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")
@pytest.mark.parametrize("unit", sorted(path.name for path in (DEPLOY / "systemd").glob("*.service")))
def test_systemd_understands_the_units(unit: str, tmp_path: Path) -> None:
    for path in (DEPLOY / "systemd").glob("*.service"):
        text = path.read_text(encoding="utf-8").replace("/opt/forex-assets/.venv/bin", str(BIN))
        (tmp_path / path.name).write_text(text)
    assert said("systemd-analyze", "verify", "--recursive-errors=one", str(tmp_path / unit)) == ""
    (tmp_path / unit).write_text((tmp_path / unit).read_text().replace("ExecStart=/", "ExecStart="))
    assert unit in said("systemd-analyze", "verify", "--recursive-errors=one", str(tmp_path / unit))


def test_the_file_of_secrets_is_not_in_git() -> None:
    assert Path(PROJECT / ".gitignore").read_text(encoding="utf-8").splitlines().count(".env") == 1
