"""`dropslot requests` on a real table: what is found is all there is, and nothing else is touched."""

import itertools
import json
from typing import Any

from dropslot.core import names
from dropslot.local.tables import ensure_journal
from tests.integration.operate.operator import Operator, run
from tests.unit.core.images import ACCEPTED_AT_MS, Image, image

DIGITS = names.SPREAD_DIGITS


def population(count: int = 120) -> list[Image]:
    """Return requests of every status and two types, accepted and due in turn, spread over all partitions."""
    items = []
    for index in range(count):
        status = (names.PENDING, names.WAITING, names.FAILED, names.DONE)[index % 4]
        attributes: dict[str, Any] = {
            "type": "orders" if index % 3 else "notes",
            "status": f"{status}-{DIGITS[index * 7 % 16]}",
            "accepted_at": ACCEPTED_AT_MS + index * 1000,
            "due_at": ACCEPTED_AT_MS + index * 1000 + 500,
        }
        if status == names.FAILED:
            attributes["error"] = f"E{index % 5}"
        if status == names.DONE:
            attributes |= {"ttl": 2_000_000_000, "result": "{}"}
        items.append(image(f"{'ada' if index % 2 else '-'}#orders#r-{index:03}", **attributes))
    return items


def listed(*words: str) -> list[str]:
    """Return the ids that a list shows."""
    outcome = run("requests", "list", "--json", *words)
    assert outcome.code == 0, outcome.all
    return [row["item_id"] for row in json.loads(outcome.out)["requests"]]


def test_a_list_is_oldest_first_over_all_partitions(operator: Operator) -> None:
    """Given requests spread over the index, the list is in order and whole, whatever its limit."""
    items = population()
    operator.put(*items)
    expected = [item["id"]["S"] for item in items if "queue" in item]

    assert listed("--limit", "1000") == expected
    assert listed("--limit", "7") == expected[:7]
    assert json.loads(run("requests", "list", "--json", "--limit", "7").out)["more"] is True
    assert json.loads(run("requests", "list", "--json", "--limit", "90").out)["more"] is False


def test_filters_narrow_a_list(operator: Operator) -> None:
    """Given filters, what is listed is what they say of status, type, caller and age."""
    items = population()
    operator.put(*items)

    def those(*, status: str, type_name: str, caller: str, first: int, last: int) -> list[str]:
        return [
            item["id"]["S"]
            for item in items[first : last + 1]
            if item["status"]["S"].startswith(status)
            and item["type"]["S"] == type_name
            and item["id"]["S"].startswith(f"{caller}#")
        ]

    at = ["2025-10-09T08:53:30Z", "2025-10-09T08:54:20Z"]  # the 10th and the 60th second
    words = ["--status", "failed", "--type", "orders", "--caller", "-", "--newer-than", at[0], "--older-than", at[1]]
    expected = those(status="failed", type_name="orders", caller="-", first=10, last=60)
    assert expected
    assert listed(*words) == expected


def test_counts_are_those_of_the_table(operator: Operator) -> None:
    """Given requests of every status, they are counted by status and type; done ones only by a scan."""
    operator.put(*population())
    counted = {
        status: {"notes": 10, "orders": 20} for status in (names.FAILED, names.PENDING, names.WAITING, names.DONE)
    }

    assert json.loads(run("requests", "count", "--scan", "--json").out) == counted
    del counted[names.DONE]
    assert json.loads(run("requests", "count", "--json").out) == counted


def test_counts_can_be_narrowed(operator: Operator) -> None:
    """Given filters, what is counted is what a list of the same shows, and with --scan the done ones, too."""
    operator.put(*population())
    at = ["2025-10-09T08:53:30Z", "2025-10-09T08:54:20Z"]  # the 10th and the 60th second
    words = ["--type", "orders", "--caller", "-", "--newer-than", at[0], "--older-than", at[1]]

    for status in (names.FAILED, names.WAITING):
        counted = json.loads(run("requests", "count", "--json", "--status", status, *words).out)
        shown = listed("--status", status, *words)
        assert counted == ({status: {"orders": len(shown)}} if shown else {})
    every = json.loads(run("requests", "count", "--json", "--scan", *words).out)
    assert sum(by_type["orders"] for by_type in every.values()) == 17
    assert set(every) == {names.PENDING, names.FAILED}
    assert run("requests", "count", "--scan", "--status", "failed").code == 2


def test_bodies_leave_the_table_only_when_asked_for(operator: Operator) -> None:
    """Given an export, it holds bodies with --payload alone; each line is one request, as it is now."""
    items = population(60)
    operator.put(*items)

    plain = run("requests", "export", "--status", "failed")
    full = run("requests", "export", "--status", "failed", "--payload")
    everything = run("requests", "export", "--scan", "--payload")
    as_everywhere = run("requests", "export", "--status", "failed", "--json")

    assert "order" in full.out
    assert '{\\"order\\": 1}' not in plain.out
    assert as_everywhere == plain
    lines = [json.loads(line) for line in full.out.splitlines()]
    assert [line["item_id"] for line in lines] == [item["id"]["S"] for item in items if "error" in item]
    assert {line["body"] for line in lines} == {'{"order": 1}'}
    assert [{**line, "body": None} for line in lines] == [
        {**json.loads(line), "body": None, "content_type": "application/json", "encoding": None, "headers": {}}
        | {"result": None}
        for line in plain.out.splitlines()
    ]
    assert len(everything.out.splitlines()) == 60


def test_a_deleted_request_is_gone_with_its_journal(operator: Operator) -> None:
    """Given a request with steps, deleting it takes the journal of each of its runs, and none of other requests.

    That of an earlier request of the same id goes too: what somebody sent is to be forgotten. A later one's stays.
    """
    journal = f"{operator.table}-journal"
    ensure_journal(operator.client, journal)
    operator.put(image("-#orders#a", attempt=30), image("-#orders#b", attempt=30))
    runs = [names.run_key(ACCEPTED_AT_MS, run_number) for run_number in range(30)]
    earlier, later = (names.run_key(ACCEPTED_AT_MS + ms, 0) for ms in (-1, 1))
    for key, run_key in itertools.product(("a", "b"), (earlier, *runs, later)):
        row: Image = {"id": {"S": f"-#orders#{key}"}, "run": {"S": run_key}, "steps": {"L": []}}
        operator.client.put_item(TableName=journal, Item=row)

    outcome = run("requests", "delete", "a", "c", "--type", "orders", "--yes", "--json")

    assert outcome.code == 1, "one of them wasn't there"
    assert json.loads(outcome.out) == {"requests": {"-#orders#a": "deleted"}, "missing": 1}
    assert "a handler may still be at work" in outcome.all
    assert set(operator.items()) == {"-#orders#b"}
    left = [(row["id"]["S"][-1], row["run"]["S"]) for row in operator.client.scan(TableName=journal)["Items"]]
    assert sorted(left) == [("a", later), *(("b", run_key) for run_key in (earlier, *runs, later))]


def test_a_request_is_deleted_where_there_is_no_journal(operator: Operator) -> None:
    """Given a pipeline whose table of steps is gone, the request can be deleted all the same."""
    operator.put(image("-#orders#a"))
    assert run("requests", "delete", "a", "--type", "orders", "--yes").code == 0
    assert operator.items() == {}


def test_nothing_is_deleted_that_nobody_confirmed(operator: Operator) -> None:
    """Given nobody to ask, and no --yes, the request stays."""
    operator.put(image("-#orders#a"))
    outcome = run("requests", "delete", "-#orders#a")
    assert outcome.code == 2
    assert set(operator.items()) == {"-#orders#a"}
