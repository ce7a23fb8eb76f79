"""The one table of the terminal: cells, decimals, times, what is missing, nothing cut."""

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from forex_assets.cli.alerts import _channel_words
from forex_assets.cli.common import say
from forex_assets.cli.tables import (
    Column,
    band,
    bands,
    ends,
    estimate,
    figures,
    fixed,
    gains,
    moment,
    percent,
    prices,
    table,
    when,
    whole,
    yes_no,
)


def drawn(renderable: object, *, is_terminal: bool = False) -> str:
    out = io.StringIO()
    Console(file=out, width=80, force_terminal=is_terminal).print(renderable)
    return out.getvalue()


@pytest.mark.parametrize(
    ("form", "values", "cells"),
    [
        (prices, [780.567, 99.5, None], ["780.57", "99.50", "-"]),
        (prices, [1016.24, 780.567], ["1,016.2", "780.6"]),
        (bands, [(980.1, 1021.26), None], ["980.1–1,021.3", "-"]),
        (fixed(1), [-0.04, 12345.67], ["0.0", "12,345.7"]),
        (whole, [0, 1304, None], ["0", "1,304", "-"]),
        (percent(1), [0.0499, 1.0], ["5.0", "100.0"]),
        (figures, [0.462, 14.0, 1.961], ["0.46", "14.00", "1.96"]),
        (figures, [0.0031, 0.05], ["0.0031", "0.0500"]),
        (figures, [14, 3, None, 0], ["14", "3", "-", "0"]),
        (gains, [(0.012, -0.003, 0.027), (-0.0004, None, None)], ["1.2 [-0.3, 2.7]", "0.0"]),
        (gains, [(0.012, -15.0, 0.027)], ["1 [-1,500, 3]"]),
        (yes_no, [True, False, None], ["yes", "no", "-"]),
    ],
)
def test_decimals_are_constant_within_a_column_and_a_dash_is_what_is_not_there(
    form: object, values: list[object], cells: list[str]
) -> None:
    assert Column("head", "x", form).cells([{"x": value} for value in values]) == cells  # type: ignore[arg-type]


def test_times_are_santiagos_in_summer_and_in_winter() -> None:
    summer, winter = datetime(2026, 1, 5, 22, 0, tzinfo=UTC), datetime(2026, 7, 6, 22, 59, tzinfo=UTC)
    assert (moment(summer), moment(winter)) == ("2026-01-05 19:00", "2026-07-06 18:59")
    assert Column("", "at", when).cells([{"at": summer.isoformat()}, {"at": None}]) == ["2026-01-05 19:00", "-"]


def test_pairs_and_estimates_with_a_missing_end_are_missing() -> None:
    row = {"low": 1.0, "high": None, "skill": 0.1, "skill_low": None, "skill_high": 0.2}
    assert ends("low", "high")(row) is None
    assert estimate("skill", needs_interval=True)(row) is None
    assert Column("", estimate("skill"), gains).cells([row]) == ["10.0"]


def test_a_long_cell_goes_on_in_the_next_line_and_words_are_no_markup() -> None:
    rows = [{"name": "[red]7d[/]", "words": "word " * 40, "n": 3}]
    text = drawn(table(rows, [Column("name", "name"), Column("words", "words", wraps=True), Column("n", "n", whole)]))
    assert "[red]7d[/]" in text
    assert text.count("word ") + text.count("word\n") >= 40
    assert max(map(len, text.splitlines())) <= 80


def test_title_and_caption_are_no_markup_and_a_pipe_gets_no_colour() -> None:
    renderable = table([{"state": "failed: a reason"}], [Column("state", "state")], title="[bold]t", caption="[x]")
    assert "[bold]t" in drawn(renderable)
    assert "[x]" in drawn(renderable)
    assert "\x1b" not in drawn(renderable)
    assert "\x1b[31mfailed" in drawn(renderable, is_terminal=True)


def test_lines_are_wrapped_at_spaces_and_a_path_stays_whole() -> None:
    out, path = io.StringIO(), "/" + "x" * 100
    say([f"  Tables are in {path} and " + "words " * 30], Console(file=out, width=80))
    lines = out.getvalue().splitlines()
    assert any(path in line for line in lines)
    assert all(len(line) <= 80 and line.startswith("  ") for line in lines if path not in line)
    assert sum(line.count("words") for line in lines) == 30


def test_a_channel_tells_santiagos_time_of_its_last_message_and_next_attempt() -> None:
    sent, again = datetime(2026, 7, 6, 22, 59, tzinfo=UTC), datetime(2026, 7, 6, 23, 1, tzinfo=UTC)
    words = _channel_words({
        "channel": "mail", "where": "tls host:465", "is_set_up": True, "pending": 2, "sent_events": 5,
        "sent_messages": 3, "last_sent_at": sent, "failures": 1, "last_error": "HTTP 503",
        "next_attempt_not_before": again,
    })  # fmt: skip
    assert "2 events wait, 5 sent in 3 messages, last 2026-07-06 18:59 in Santiago" in words
    assert "HTTP 503; again after 2026-07-06 19:01 in Santiago" in words


def test_a_range_outside_a_table_is_written_as_in_one() -> None:
    assert band(980.123, 999.999) == "980.12–1,000.00"
    assert band(980.123, 1000.04) == "980.1–1,000.0"
