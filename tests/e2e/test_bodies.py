"""Bodies go through byte for byte: on the item, and into the handler."""

import hashlib
import json
import random
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropslot.core import names
from dropslot.local.relay import state as relay_states
from tests.e2e.handlers import RESULT_MAX_BYTES, largest_result
from tests.e2e.pipeline import Pipeline, eventually, item_id

VTL: Final = """#set($x = 1)$x ${x} $!{y} #if(true)a#{else}b#end ## comment
#* block *# #foreach($i in [1..3])$i#end #[[ literal ]]# $util.escapeJavaScript('x') $input.body $context.requestId
\\$x \\\\#end #stop #include("x") #parse("y") #macro(m)#end %{table} $ # $$ ## $1 \\1 ${"""
TEXTS: Final = {
    "quotes": '"quoted" and \'single\' and \\"both\\" and `ticks`',
    "apostrophes": "'" * 50 + "it's \\' and \\\\' and '\\",
    "backslashes": "\\ \\\\ \\n \\u0041 \\x \\",
    "control-characters": "".join(map(chr, range(32))) + "\x7f" + "".join(map(chr, range(0x80, 0xA0))),
    "nul": "\x00",
    "emoji": "\N{SLICE OF PIZZA}\N{SLICE OF PIZZA} \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1ee\U0001f1f9",
    "separators": "a\u2028b\u2029c\u0085d\ufeffe\ufffe\uffff",
    "byte-order-mark": "\ufefftext",
    "vtl": VTL,
    "line-ends": "a\r\nb\rc\nd\r\n",
    "spaces": "  \t leading and trailing \t  ",
    "json": json.dumps({"a": ["\u2028", "'", '"', "\\", None, 1e400]}),
    "markup": "</script><!-- &amp; <b> %7B %00 +",
}


def _digest(data: bytes, kind: str = "str") -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "kind": kind}


def _assert_intact(pipeline: Pipeline, bodies: dict[str, str]) -> None:
    for request_id, body in bodies.items():
        item = pipeline.item("notes", request_id)
        assert item is not None
        assert item["request"]["S"] == body
    for request_id, state in pipeline.settled("notes", list(bodies)).items():
        assert state["status"] == "done", state
        assert state["result"] == _digest(bodies[request_id].encode())


def test_difficult_texts_arrive_as_they_were_sent(pipeline: Pipeline) -> None:
    """Given texts full of what escaping, templates and JSON trip over, when accepted, then they arrive unchanged."""
    bodies = {pipeline.submit("notes", text, key=f"text-{name}"): text for name, text in TEXTS.items()}

    _assert_intact(pipeline, bodies)


def test_arbitrary_texts_arrive_as_they_were_sent(pipeline: Pipeline) -> None:
    """Given any text, when accepted, then it arrives unchanged."""
    bodies: dict[str, str] = {}

    @settings(
        max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
    )
    @given(st.text(min_size=1, max_size=2000))
    def accept(text: str) -> None:
        bodies[pipeline.submit("notes", text, content_type="text/plain; charset=utf-8")] = text

    accept()
    assert len(bodies) >= 50
    _assert_intact(pipeline, bodies)


def test_a_body_of_300_kb_arrives_as_it_was_sent(pipeline: Pipeline) -> None:
    """Given 300 KB of mixed text, when accepted, then it arrives unchanged."""
    body = "".join(random.Random(7).choices("abcdefghij klmnop\"'\\\n\u00e9", weights=[60] * 17 + [1] * 5, k=300_000))

    request_id = pipeline.submit("notes", body)

    _assert_intact(pipeline, {request_id: body})


def test_binary_bodies_reach_the_handler_as_exact_bytes(pipeline: Pipeline) -> None:
    """Given bytes that are no text, when sent with a configured binary type, then the handler gets just those."""
    bodies = {
        "every-byte": bytes(range(256)),
        "zeros": bytes(1000),
        "not-utf-8": b"\xff\xfe\x00\xd8\xc3(",
        "random": random.Random(7).randbytes(100_000),
        "looks-like-base64": b"aGFsbG8=",
        "one": b"\x00",
    }
    for key, body in bodies.items():
        pipeline.submit("files", body, key=key, content_type="application/octet-stream")
    pipeline.submit("files", "a;b\r\n", key="text", content_type="text/csv")

    states = pipeline.settled("files", [*bodies, "text"])
    assert {key: states[key].get("result") for key in bodies} == {
        key: _digest(body, "bytes") for key, body in bodies.items()
    }
    assert states["text"]["result"] == _digest(b"a;b\r\n")
    item = pipeline.item("files", "every-byte")
    assert item is not None
    assert item["encoding"] == {"S": "base64"}


@pytest.mark.parametrize(
    ("character", "escaped_chars"), [("a", 1), ('"', 2), ("\x01", 6)], ids=["ascii", "quotes", "control-characters"]
)
def test_the_largest_body_is_redriven_and_settled_with_the_largest_result(
    pipeline: Pipeline, character: str, escaped_chars: int
) -> None:
    """Given the largest accepted body, when it waits once and returns the largest result, then it is done with it.

    With the largest kept header and error, all its changes still fit change records; one byte more is refused.
    """
    largest = character * min(names.BODY_MAX_BYTES, names.BODY_MAX_ESCAPED_BYTES // escaped_chars)
    headers = {"X-Note": "n" * 8000}
    feeds = pipeline.feeds()

    refused = pipeline.put("large", largest + "b", headers=headers)
    request_id = pipeline.submit("large", largest, headers=headers)

    assert (refused.status_code, refused.json()["error"]) == (413, "body_too_large")
    state = pipeline.outcome("large", request_id)
    assert (state["status"], state["attempt"]) == ("done", 1), state.get("error")
    assert state["result"] == largest_result()
    item = pipeline.item("large", request_id)
    assert item is not None
    assert len(item["result"]["S"]) == RESULT_MAX_BYTES
    assert item["request"]["S"] == largest
    assert len(item["last_error"]["S"].encode()) == names.ERROR_MAX_BYTES
    assert pipeline.runs("large", request_id) == [0, 1]

    def told() -> list[str]:
        changes = [record.change["dynamodb"] for record in pipeline.records(feeds)]
        # The last write-back of the test before may come only now.
        own = [change for change in changes if change["Keys"]["id"]["S"] == item_id("large", request_id)]
        images = [(change["NewImage"], change.get("OldImage", {})) for change in own]
        # A start that was counted, for a function that was started for this record, say, changes nothing else.
        return [new["status"]["S"][:-2] for new, old in images if new["status"] != old.get("status")]

    expected = ["pending", "waiting", "pending", "done"]
    eventually(lambda: told() == expected, describe=lambda: f"{told()} instead of {expected}")
    assert relay_states.read(Path(pipeline.stack.info.state) / "relay.json").counters["oversized"] == 0
