"""Tests when messages are due, and the age limit of events."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forex_assets.core.store.folder import Folder
from forex_assets.operations.alerts.delivery import ChannelLog, dropped, due, wait_after, waiting
from forex_assets.operations.alerts.events import KINDS, Event, Kind, folded, message_of
from forex_assets.operations.alerts.outbox import Outbox

NOW = datetime(2025, 6, 13, 12, 0, tzinfo=UTC)
LOG = ChannelLog(since=NOW - timedelta(days=1))


def event(
    name: str, kind: Kind = "run failed", minutes: float = 0, title: str = "x", *, is_sample: bool = False
) -> Event:
    at = NOW + timedelta(minutes=minutes)
    return Event(id=name, kind=kind, title=title, happened_at=at, is_sample=is_sample)


def test_a_hundred_failures_are_one_message_with_their_count() -> None:
    failures = [event(f"f{i}", minutes=i / 10) for i in range(100)]
    (message,) = due(failures, LOG, NOW + timedelta(minutes=15), digest_minutes=15, mails_per_hour=6)
    assert len(message) == 100
    assert message_of(message).subject == "[forex-assets] run failed, 100 events"
    (entry,) = folded(message)
    assert entry.count == 100


def test_events_wait_for_their_digest_and_kinds_and_markets_stay_apart() -> None:
    events = [event("a"), event("b", "deployed"), event("c", "deployed", is_sample=True)]
    assert due(events, LOG, NOW + timedelta(minutes=14), digest_minutes=15, mails_per_hour=6) == []
    messages = due(events, LOG, NOW + timedelta(minutes=15), digest_minutes=15, mails_per_hour=6)
    assert [[item.id for item in message] for message in messages] == [["a"], ["b"], ["c"]]
    assert "SAMPLE DATA" in message_of(messages[2]).subject
    assert "SAMPLE DATA" not in message_of(messages[1]).subject


def test_the_last_message_of_an_hour_takes_all_that_is_left() -> None:
    events = [event(f"{kind}", kind) for kind in KINDS]
    messages = due(events, LOG, NOW + timedelta(minutes=20), digest_minutes=15, mails_per_hour=3)
    assert [len(message) for message in messages] == [1, 1, len(KINDS) - 2]


@given(
    st.lists(st.tuples(st.floats(0, 600), st.sampled_from(KINDS), st.booleans()), max_size=40),
    st.integers(1, 6),
    st.integers(0, 30),
    st.lists(st.booleans(), min_size=1, max_size=30),
)
@settings(max_examples=60, deadline=None)
def test_never_more_than_so_many_an_hour_and_every_event_in_exactly_one_message(
    happenings: list[tuple[float, Kind, bool]], most: int, digest: int, works: list[bool]
) -> None:
    """Runs twenty hours of ticks against a server that fails at times."""
    events = [event(f"e{i}", kind, minutes, is_sample=s) for i, (minutes, kind, s) in enumerate(happenings)]
    log, sent, delivered = LOG, list[datetime](), list[str]()
    for tick in range(200):
        now = NOW + timedelta(minutes=10 * tick)
        known = [item for item in events if item.happened_at <= now]
        for message in due(known, log, now, digest_minutes=digest, mails_per_hour=most):
            log = log.begun(message)
            if tick < 100 and not works[tick % len(works)]:
                log = log.failed(now, "down", is_uncertain=False)
                break
            log = log.delivered(now, "ok", {item.id for item in events})
            sent.append(now)
            delivered += [item.id for item in message]
    assert sorted(delivered) == sorted(item.id for item in events)
    for at in sent:
        assert sum(at - timedelta(hours=1) < other <= at for other in sent) <= most


def test_after_failures_it_waits_longer_up_to_an_hour_and_then_sends_once() -> None:
    assert [wait_after(n).seconds // 60 for n in (1, 2, 3, 7, 50)] == [1, 2, 4, 60, 60]
    log = LOG.begun([event("a")]).failed(NOW, "down", is_uncertain=False)
    assert due([event("a", minutes=-20)], log, NOW + timedelta(seconds=30), digest_minutes=0, mails_per_hour=6) == []
    (message,) = due([event("a", minutes=-20)], log, NOW + timedelta(minutes=2), digest_minutes=0, mails_per_hour=6)
    log = log.begun(message).delivered(NOW, "ok", {"a"})
    assert waiting([event("a", minutes=-20)], log) == []


def test_a_message_that_may_have_arrived_goes_again_as_the_same_message() -> None:
    first = [event("a", minutes=-20), event("b", minutes=-19)]
    log = LOG.begun(first).failed(NOW, "hung up", is_uncertain=True)
    later = [*first, event("c", minutes=-18)]
    again, fresh = due(later, log, NOW + timedelta(minutes=5), digest_minutes=0, mails_per_hour=6)
    assert message_of(again).id == message_of(first).id
    assert [item.id for item in fresh] == ["c"]


def test_a_full_outbox_drops_what_was_sent_first_then_the_oldest() -> None:
    events = [event(f"{i}", minutes=-i) for i in range(1002)]
    gone = dropped(events, {item.id for item in events[1:]}, NOW)
    assert {item.id for item in gone} == {"0", "1001"}


@pytest.mark.parametrize(("hours", "is_kept"), [(30 * 24 - 1, True), (30 * 24 + 1, False)])
def test_events_are_kept_for_thirty_days(hours: int, is_kept: bool, tmp_path: Path) -> None:
    aged = event("aged", minutes=-60 * hours)
    assert dropped([aged], {"aged"}, NOW) == ([] if is_kept else [aged])
    outbox = Outbox(Folder(tmp_path))
    assert outbox.add([aged], NOW) == is_kept
    assert [kept.id for kept in outbox.kept().records] == (["aged"] if is_kept else [])


def test_an_event_in_the_outbox_is_dropped_when_it_is_thirty_days_old(tmp_path: Path) -> None:
    outbox = Outbox(Folder(tmp_path))
    assert outbox.add([event("sent"), event("unsent")], NOW) == 2
    assert outbox.add([event("sent")], NOW) == 0
    assert outbox.drop(lambda item: item.id == "unsent", NOW + timedelta(days=29, hours=23)) == 0
    assert len(outbox.kept().records) == 2
    assert outbox.drop(lambda item: item.id == "unsent", NOW + timedelta(days=30, hours=1)) == 1
    assert outbox.kept().records == ()


def test_files_of_earlier_versions_are_read_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "events/0a.json").write_text(event("a").model_dump_json())
    (tmp_path / "events/0b.json").write_text("{")
    (tmp_path / "mail.json").write_text(LOG.model_dump_json())
    kept = Outbox(Folder(tmp_path)).kept()
    assert [item.id for item in kept.records] == ["a"]
    assert "0b.json" in kept.faults[0]
    assert Outbox(Folder(tmp_path)).log("mail") == LOG
    (tmp_path / "mail.json").write_text("{")
    (fault,) = Outbox(Folder(tmp_path)).set_damaged_logs_aside(NOW)
    assert "mail.json" in fault
    assert "sent again" in fault
    assert Outbox(Folder(tmp_path)).channels() == []
    assert [path.read_text() for path in tmp_path.glob("mail.damaged-*")] == ["{"]


def test_an_unreadable_file_costs_itself_and_is_named(tmp_path: Path) -> None:
    outbox = Outbox(Folder(tmp_path))
    assert outbox.add([event("a"), event("b"), event("c")], NOW) == 3
    victim = next(path for path in (tmp_path / "events").iterdir() if '"b"' in path.read_text())
    victim.unlink()
    victim.mkdir()  # what no user can read, root neither
    kept = outbox.kept()
    assert sorted(item.id for item in kept.records) == ["a", "c"]
    assert victim.name in kept.faults[0]
