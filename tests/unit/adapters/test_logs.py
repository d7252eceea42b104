"""Log lines: one JSON object a line, with the request they belong to, without what errors say."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from dropslot.adapters.logs import JsonFormatter, configure
from dropslot.engine.context import current_request


@pytest.fixture
def lines() -> Iterator[Any]:
    """Configure logging onto a buffer; returns what parses its lines. Everything is as before afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    names = ("boto3", "botocore", "urllib3", "s3transfer")
    levels = {name: logging.getLogger(name).level for name in names}
    stream = io.StringIO()
    configure("INFO", stream, shard_id="shardId-000")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], root.level = before
    root.setLevel(before[1])
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def test_a_line_holds_event_level_logger_time_and_constants(lines: Any) -> None:
    """And what `extra` gave."""
    logging.getLogger("app").warning("stock_low", extra={"items": 3, "name_of": "é\u2028\n"})
    (line,) = lines()
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "WARNING",
        "logger": "app",
        "event": "stock_low",
        "shard_id": "shardId-000",
        "items": 3,
        "name_of": "é\u2028\n",
    }


def test_below_the_level_nothing_is_written(lines: Any) -> None:
    """DEBUG of a library is not logged at INFO, the SDK's never: it holds payloads."""
    logging.getLogger("app").debug("x")
    for name in ("botocore.endpoint", "urllib3.connectionpool", "boto3.resources"):
        logging.getLogger(name).info("body")
    assert lines() == []


def test_lines_of_a_handler_carry_its_request(lines: Any) -> None:
    """Whatever logger it uses."""
    token = current_request.set(("caller#one", 3))
    logging.getLogger("their.module").info("charged %s", "card")
    current_request.reset(token)
    logging.getLogger("their.module").info("after")
    inside, after = lines()
    assert (inside["event"], inside["request_id"], inside["attempt"]) == ("charged card", "caller#one", 3)
    assert "request_id" not in after


def test_an_exception_is_told_by_type_and_place_never_by_text(lines: Any) -> None:
    """Its message may quote the payload."""
    try:
        json.loads("secret-4711")
    except ValueError:
        logging.getLogger("app").exception("charge_failed")
    (line,) = lines()
    assert line["error"] == "JSONDecodeError"
    assert "test_logs.py" in line["trace"][0]
    assert "secret-4711" not in json.dumps(line)


class Unprintable:
    """A value that can't be written."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def circular() -> list[Any]:
    """Return a list that holds itself."""
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, {(1, 2): 3}, b"\xff", float("nan"), "\ud800", Unprintable(), circular()],
    ids=lambda value: type(value).__name__,
)
def test_any_extra_makes_a_line(value: Any) -> None:
    """Given what no JSON holds, then the line is there all the same, and is one line."""
    record = logging.makeLogRecord({"msg": "event", "levelname": "INFO", "value": value})
    text = JsonFormatter().format(record)
    assert json.loads(text)["event"] == "event"
    assert "\n" not in text
