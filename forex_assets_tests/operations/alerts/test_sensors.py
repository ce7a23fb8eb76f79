"""Tests alerts from Dagster's records to a real HTTP server."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import AssetCheckEvaluationPlanned, DagsterEvent, DagsterEventType
from dagster._core.test_utils import create_run_for_test
from typer.testing import CliRunner

from forex_assets.cli import app
from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.instance import prepare_instance
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.session import open_session
from forex_assets.core.settings import load_settings
from forex_assets.deployment.deployment_store import STAMP, deployments_of
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.locations.forecasting import build
from forex_assets.operations.alerts.send import notifier_of
from forex_assets.operations.alerts.sensors import gather_sensor, send_sensor
from forex_assets_tests.operations.alerts.conftest import Service

NAMES = re.compile(r"[\w.-]+\.json")


@pytest.fixture
def hook(service: Service, workspace: Path, environment: Callable[..., None]) -> Service:
    """The service as webhook, with a digest of 0 minutes."""
    environment(FOREX_WEBHOOK_URL=f"http://{service.host}/T0KEN/secret")
    (workspace / "configs/policy.yaml").write_text("operations:\n  digest_minutes: 0\n")
    prepare_instance(load_settings())
    return service


def delivered(hook: Service) -> list[dict[str, Any]]:
    """Events of all accepted messages."""
    return [event for message in hook.accepted for event in message["events"]]


def noted(instance: dg.DagsterInstance, key: dg.AssetKey, **metadata: Any) -> None:
    values = {names.MARKET: "sample", names.CLOCK: "2025-06-13T23:00:00+00:00", **metadata}
    instance.report_runless_asset_event(dg.AssetMaterialization(key, partition="7d", metadata=values))


def happened(name: str, kind: str = "deploy", state: str = "deployed", by: str = "loop") -> None:
    """Adds a deployment record, as the deployer does."""
    now = datetime.now(UTC)
    record = DeploymentRecord.model_validate(
        {
            "id": f"{now.strftime(STAMP)}-{name}",
            "horizon": "7d",
            "kind": kind,
            "state": state,
            "at": now,
            "by": by,
            "reason": f"{kind} for a reason",
            "from_fingerprint": "a",
            "to_fingerprint": "b",
        }
    )
    deployments_of(open_session()).add(record)


def tick(instance: dg.DagsterInstance, sensor: dg.SensorDefinition, cursor: str | None = None) -> dg.SensorResult:
    context = dg.build_sensor_context(
        instance, cursor=cursor, definitions=build(), resources={"session": SessionResource()}
    )
    return sensor.evaluate_tick(context)  # type: ignore[return-value]


def deliver(instance: dg.DagsterInstance) -> bool:
    return bool(build().resolve_job_def(names.ALERT_JOB).execute_in_process(instance=instance).success)


def later() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=1)


def test_what_happened_is_told_once_however_often_it_is_looked_at(hook: Service) -> None:
    with dg.DagsterInstance.get() as instance:
        noted(instance, keys.TRIGGER_DECISION, fires=True, reasons="age", words="Search 7d: never optimized")
        noted(
            instance,
            keys.VALIDATION_REPORT,
            verdict="approved",
            words="Approved on 252 origins",
            validation_id="v1",
        )
        happened("d1")
        happened("r1", "rollback", by="watch")
        happened("r2", "rollback", by="ana")
        happened("x1", state="refused")
        happened("x2", state="failed")
        first = tick(instance, gather_sensor(later))
        again = tick(instance, gather_sensor(later), first.cursor)
        lost = tick(instance, gather_sensor(later), None)
        assert "0 new events" in str(again.skip_message)
        assert "0 new events" in str(lost.skip_message)
        asked = tick(instance, send_sensor(later)).run_requests
        assert len(asked or []) == 1
        assert deliver(instance)
        assert deliver(instance)
        assert not tick(instance, send_sensor(later)).run_requests
    kinds = [item["kind"] for item in delivered(hook)]
    assert sorted(kinds) == [
        "deployed", "deployment aborted", "rolled back", "rolled back", "triggered", "validation passed"
    ]  # fmt: skip
    ids = [item["id"] for item in delivered(hook)]
    assert len(ids) == len(set(ids))
    assert all("SAMPLE DATA" in message["subject"] for message in hook.accepted if message["events"][0]["is_sample"])


@pytest.mark.parametrize(("hours", "is_told"), [(23, True), (25, False)])
def test_a_first_tick_and_a_new_channel_look_one_day_back(hook: Service, hours: int, is_told: bool) -> None:
    """One event of each kind of reader: an asset's record, a deployment, a failed run."""
    at = datetime.now(UTC) + timedelta(hours=hours)
    with dg.DagsterInstance.get() as instance:
        noted(instance, keys.TRIGGER_DECISION, fires=True, reasons="age", words="Search 7d: never optimized")
        happened("d1")
        instance.report_run_failed(create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED))
        gathered = tick(instance, gather_sensor(lambda: at))
        assert f"{3 if is_told else 0} new events" in str(gathered.skip_message)
        late = tick(instance, gather_sensor(later))  # a lost cursor: all three are new to an outbox that has none
        assert f"{0 if is_told else 3} new events" in str(late.skip_message)
    notifier = notifier_of(open_session())
    notifier.due(at)  # the channel is set up here
    assert {channel["pending"] for channel in notifier.status() if channel["is_set_up"]} == {3 if is_told else 0}


def test_a_dead_server_fails_no_run_and_gets_it_once_when_it_is_back(hook: Service) -> None:
    hook.status = 503
    with dg.DagsterInstance.get() as instance:
        happened("d1")
        tick(instance, gather_sensor(later))
        assert deliver(instance), "a delivery that fails is a green run"
        status = json.loads(CliRunner().invoke(app, ["mail", "status", "--json"]).stdout)
        webhook = next(item for item in status["channels"] if item["channel"] == "webhook")
        assert "HTTP 503" in webhook["last_error"]
        assert "T0KEN" not in json.dumps(status)
        hook.status = 200
        notifier = notifier_of(open_session())
        sent = notifier.deliver(datetime.now(UTC) + timedelta(minutes=5))
        assert [item.is_sent for item in sent].count(False) == 0
        assert notifier.deliver(datetime.now(UTC) + timedelta(minutes=10)) == []
    assert sum(item["kind"] == "deployed" for item in delivered(hook)) == 1


def test_a_damaged_record_of_a_deployment_is_told_once_a_day_and_hides_nothing(hook: Service) -> None:
    happened("d1")
    (path,) = Path(deployments_of(open_session()).files.place()).rglob("*-d1.json")
    path.write_text("{")
    with dg.DagsterInstance.get() as instance:
        noted(instance, keys.TRIGGER_DECISION, fires=True, reasons="age", words="Search 7d: never optimized")
        first = tick(instance, gather_sensor(later))
        tick(instance, gather_sensor(later), first.cursor)
        assert deliver(instance)
    events = [(item["kind"], item["words"]) for item in delivered(hook)]
    assert sorted(kind for kind, _ in events) == ["run failed", "triggered"]
    assert any(path.name in words for _, words in events)


def test_no_single_unreadable_file_or_record_silences_the_others(hook: Service) -> None:
    """Damaged: an event, the webhook's log, a stray log, a deployment record that is a folder, a failed run's log."""
    with dg.DagsterInstance.get() as instance:
        happened("d0")
        first = tick(instance, gather_sensor(later))
        assert deliver(instance)
        outbox = open_session().settings.warehouse / "outbox"
        (outbox / "events/0b.json").write_text("{")
        (outbox / "webhook.json").write_text("{")
        (outbox / "sent.json").write_bytes(b"\xff\xfe")
        happened("d1")
        (path,) = Path(deployments_of(open_session()).files.place()).rglob("*-d1.json")
        path.unlink()
        path.mkdir()
        happened("d2")
        run = create_run_for_test(instance, job_name="somebodys_job", status=dg.DagsterRunStatus.STARTED)
        instance.report_run_failed(run)
        for shard in Path(instance.root_directory).rglob(f"{run.run_id}.db"):
            shard.write_bytes(b"no database")
        noted(instance, keys.TRIGGER_DECISION, fires=True, reasons="age", words="Search 7d: never optimized")
        gathered = tick(instance, gather_sensor(later), first.cursor)
        tick(instance, gather_sensor(later), gathered.cursor)
        assert deliver(instance)
        assert deliver(instance)
    events = {item["id"]: item for item in delivered(hook)}
    words = " ".join(item["words"] for item in events.values())
    assert [item["kind"] for item in events.values()].count("triggered") == 1
    assert {path.name, "0b.json", "webhook.json", "sent.json"} <= set(NAMES.findall(words))
    assert any(item["title"] == "somebodys_job failed" for item in events.values())
    assert sum(item["kind"] == "deployed" for item in events.values()) == 2


def test_a_price_run_that_died_before_its_checks_silences_no_alert(hook: Service) -> None:
    planned = DagsterEvent(
        DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED.value,
        job_name="market_refresh",
        event_specific_data=AssetCheckEvaluationPlanned(asset_key=keys.USDCLP, check_name="is_current"),
    )
    with dg.DagsterInstance.get() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(keys.USDCLP, metadata={"source": "yahoo"}))
        instance.report_dagster_event(planned, run_id="1d3e0c3e-0000-4000-8000-000000000000")
        happened("d1")
        assert "1 new events" in str(tick(instance, gather_sensor(later)).skip_message)


def test_the_test_command_says_what_the_other_side_answered(hook: Service) -> None:
    good = CliRunner().invoke(app, ["mail", "test"])
    assert good.exit_code == 0
    assert "webhook: sent: accepted by http://127.0.0.1" in good.stdout
    hook.status = 404
    bad = CliRunner().invoke(app, ["mail", "test"])
    assert bad.exit_code == 1
    assert "HTTP 404" in bad.stdout
    assert "T0KEN" not in bad.output


def test_nothing_set_up_is_bad_usage_and_says_what_to_set(workspace: Path) -> None:
    for name in ("test", "send"):
        done = CliRunner().invoke(app, ["mail", name])
        assert done.exit_code == 2
        assert "FOREX_SMTP_HOST" in done.output


def test_what_is_to_be_told_can_be_sent_at_once_and_is_sent_once(hook: Service, workspace: Path) -> None:
    (workspace / "configs/policy.yaml").write_text("operations:\n  digest_minutes: 60\n")
    happened("d1")
    with dg.DagsterInstance.get() as instance:
        noted(instance, keys.TRIGGER_DECISION, fires=True, reasons="age", words="Search 7d: never optimized")
        first = CliRunner().invoke(app, ["mail", "send", "--json"])
        assert first.exit_code == 0, first.output
        assert sum(item["count"] for item in json.loads(first.stdout)) == 2
        assert "nothing to send" in CliRunner().invoke(app, ["mail", "send"]).stdout
        tick(instance, gather_sensor(later))
    assert json.loads(CliRunner().invoke(app, ["mail", "send", "--json"]).stdout) == []
    assert sorted(item["kind"] for item in delivered(hook)) == ["deployed", "triggered"]
    happened("d2")
    hook.status = 503
    bad = CliRunner().invoke(app, ["mail", "send"])
    assert bad.exit_code == 1
    assert "HTTP 503" in bad.stdout
    assert "T0KEN" not in bad.output


@pytest.mark.parametrize("address", ["https://chat.example/hook/ñ", "http://[::1/x", "ftp://x/y", "https:///x", "no"])
def test_an_address_that_cannot_be_posted_to_is_a_fault_of_the_setting_and_not_of_a_run(
    hook: Service, environment: Callable[..., None], address: str
) -> None:
    environment(FOREX_WEBHOOK_URL=address)
    done = CliRunner().invoke(app, ["mail", "test"])
    assert done.exit_code == 1
    assert "FOREX_WEBHOOK_URL" in done.stdout
    assert isinstance(done.exception, SystemExit)
    sent = CliRunner().invoke(app, ["mail", "send"])
    assert sent.exit_code == 1
    assert "FOREX_WEBHOOK_URL" in sent.stderr
    with dg.DagsterInstance.get() as instance:
        assert deliver(instance)


def test_a_watch_level_that_is_reached_is_told_once(hook: Service) -> None:
    crossing = {"watch": "touch 1000 by 30d at 0.25", "as_of": "2025-06-13", "words": "Chance 31 %."}
    with dg.DagsterInstance.get() as instance:
        for crossings in ([crossing], [], [crossing]):  # the last: the same level again on the same day
            value = dg.MetadataValue.json(crossings)
            event = dg.AssetMaterialization(keys.LEVELS, metadata={names.MARKET: "sample", names.CROSSINGS: value})
            instance.report_runless_asset_event(event)
        tick(instance, gather_sensor(later))
        assert deliver(instance)
    (event,) = (entry for entry in delivered(hook) if entry["kind"] == "level reached")
    assert event["title"] == "chance reached: touch 1000 by 30d at 0.25"
    assert event["words"] == "Chance 31 %."
    assert event["is_sample"]
