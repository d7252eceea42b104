"""Counts what a shard asks of DynamoDB while it processes the requests of one line of stdin, and times the calls."""

import json
import re
import sys
import time
from collections import Counter, defaultdict
from typing import Any, Final

import boto3

#: Calls by table and operation; of one with several statements, each counts.
COUNTS: Final[Counter[str]] = Counter()
SECONDS: Final[defaultdict[str, list[float]]] = defaultdict(list)


def before_call(model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    """Count a call that is about to be sent."""
    body = json.loads(params["body"])
    if "Statements" in body:
        tables = [re.findall(r'"([^"]+)"', statement["Statement"])[0] for statement in body["Statements"]]
    else:
        tables = list(body.get("RequestItems", ())) or [body["TableName"]]
    names = [f"{table} {model.name}" for table in tables]
    COUNTS.update(names)
    context["bench_names"], context["bench_started"] = set(names), time.perf_counter()


def after_call(context: dict[str, Any], **_: Any) -> None:
    """Note how long it took to be answered."""
    for name in context["bench_names"]:
        SECONDS[name].append(time.perf_counter() - context["bench_started"])


boto3.setup_default_session()
events = boto3.DEFAULT_SESSION.events  # type: ignore[union-attr]  # just set up
events.register("before-call.dynamodb", before_call)
events.register("after-call.dynamodb", after_call)

# Only now: they make the client.
import bench_shard  # type: ignore[import-not-found]  # noqa: E402 - beside it, where it runs
import bench_timed  # type: ignore[import-not-found]  # noqa: E402 - as above

asked = json.loads(sys.stdin.readline())
bench_shard.run(asked["named"], asked["at_once"])
json.dump({"counts": COUNTS, "seconds": SECONDS, "steps": bench_timed.SECONDS}, sys.stdout)
bench_shard.shard.close()
