"""An account as an operator's commands see it: a real HTTP server that answers in AWS's documented shapes."""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from dropslot.core import mapping, names
from tests.integration.operate.journals import stuck
from tests.unit.core.images import ACCEPTED_AT_MS, data, image, record

ACCOUNT: Final = "123456789012"
REGION: Final = "eu-central-1"
STACK: Final = "shop"
UUID: Final = "14e0db71-9cb6-4f1c-8b8f-0a1a5a1d5c11"
SHARD: Final = "shardId-000000000000"
_ON_CALL: Final = f"arn:aws:sts::{ACCOUNT}:assumed-role/on-call/ada"
_SERVICES: Final = {
    "DynamoDB_20120810": "dynamodb",
    "Kinesis_20131202": "kinesis",
    "GraniteServiceVersion20100801": "cloudwatch",
}
_STATEMENT: Final = re.compile(r'^(UPDATE|INSERT)(?: INTO)? "([^"]+)"')
_MAPPINGS: Final = "/2015-03-31/event-source-mappings"

#: The bucket of given-up batches, and the one that is in it.
BUCKET: Final = "failed-batches"
DOCUMENT: Final = "aws/lambda/one"

#: An answer: its status and its JSON.
Answer = tuple[int, Mapping[str, Any]]


def arn(service: str, rest: str) -> str:
    """Return the ARN of something in the account."""
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


def a_mapping(**replaced: Any) -> dict[str, Any]:
    """Return the consumer's mapping as Lambda lists it."""
    return {
        "UUID": UUID,
        "EventSourceArn": arn("kinesis", f"stream/{STACK}-requests"),
        "FunctionArn": arn("lambda", f"function:{STACK}-ConsumerStream:live"),
        "State": "Enabled",
        "LastProcessingResult": "OK",
        "FunctionResponseTypes": [mapping.RESPONSE_TYPE],
        "FilterCriteria": {"Filters": [{"Pattern": json.dumps(pattern)} for pattern in mapping.FILTERS]},
        **replaced,
    }


class Account:
    """One stack, `shop`, with one failed request; a test changes what is in it.

    Args:
        mappings: event source mappings of its stream; none with KCL.
    """

    def __init__(self, *mappings: dict[str, Any]) -> None:
        self.url = ""
        self.mappings = {each["UUID"]: each for each in mappings}
        self.request = image("-#orders#a", status="failed-0", error="KeyError: 'dish'")
        #: It is in the stream alone.
        self.gone = False
        self.paused = False
        #: Action and resource of each call.
        self.calls: list[tuple[str, str]] = []
        #: Calls that IAM refuses.
        self.denied: set[tuple[str, str]] = set()
        #: Error codes that the next calls of an action are answered with.
        self.troubles: dict[str, list[str]] = {}
        #: Mappings that one page of a list holds.
        self.page = 100

    def states(self) -> list[str]:
        """Return the states of the mappings."""
        return [each["State"] for each in self.mappings.values()]

    def answer(self, action: str, resource: str, arguments: Mapping[str, Any], call: Callable[..., Answer]) -> Answer:
        """Answer one call."""
        self.calls.append((action, resource))
        if (action, resource) in self.denied:
            message = (
                f"User: {_ON_CALL} is not authorized to perform: {action} on resource: {resource} "
                f"because no identity-based policy allows the {action} action"
            )
            return 403 if action.startswith("lambda") else 400, {"__type": "AccessDeniedException", "message": message}
        if self.troubles.get(action):
            code = self.troubles[action].pop(0)
            return 429 if code == "TooManyRequestsException" else 400, {"__type": code, "message": code}
        return call(self, arguments)

    @contextmanager
    def running(self) -> Iterator["Account"]:
        """Serve it on a free port."""
        account = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._reply()

            def do_POST(self) -> None:
                self._reply()

            def do_PUT(self) -> None:
                self._reply()

            def _reply(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                status, answer = _dispatch(account, self.path, self.command, self.headers.get("x-amz-target"), body)
                payload = answer["body"] if "body" in answer else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("x-amzn-errortype", str(answer.get("__type", "")))
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_address[1]}"
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


def _dispatch(account: Account, path: str, method: str, target: str | None, body: bytes) -> Answer:
    if path.startswith(f"/{BUCKET}"):
        return _to_s3(account, urlsplit(path).path)
    if target is None:
        return _to_lambda(account, path, method, body)
    prefix, _, operation = target.partition(".")
    service, arguments = _SERVICES[prefix], json.loads(body)
    call = _CALLS[operation]
    if service == "cloudwatch":
        return account.answer(f"cloudwatch:{operation}", "*", arguments, call)
    if service == "kinesis":
        stream = arn("kinesis", f"stream/{STACK}-requests")
        return account.answer(f"kinesis:{operation}", stream, arguments, call)
    table = arguments.get("TableName") or next(iter(arguments.get("RequestItems", ())), None)
    if operation == "BatchExecuteStatement":
        # The commands mix neither verbs nor tables.
        ((verb, table),) = {found for one in arguments["Statements"] for found in _STATEMENT.findall(one["Statement"])}
        operation = f"PartiQL{verb.capitalize()}"
    index = f"/index/{arguments['IndexName']}" if "IndexName" in arguments else ""
    return account.answer(f"dynamodb:{operation}", arn("dynamodb", f"table/{table}{index}"), arguments, call)


def _to_s3(account: Account, path: str) -> Answer:
    key = path.removeprefix(f"/{BUCKET}").strip("/")
    bucket = f"arn:aws:s3:::{BUCKET}"
    if key:
        status, answer = account.answer("s3:GetObject", f"{bucket}/{key}", {}, _get_object)
    else:
        status, answer = account.answer("s3:ListBucket", bucket, {}, _list_objects)
    if status == 200:
        return status, answer
    error = f"<Error><Code>{answer['__type']}</Code><Message>{answer['message']}</Message></Error>"
    return 403, {"body": error.encode()}


def _to_lambda(account: Account, path: str, method: str, body: bytes) -> Answer:
    url = urlsplit(path)
    assert url.path.startswith(_MAPPINGS), path
    uuid = url.path.removeprefix(_MAPPINGS).strip("/")
    if method == "GET" and not uuid:
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        return account.answer("lambda:ListEventSourceMappings", "*", asked, _list_mappings)
    assert method == "PUT", method
    resource = arn("lambda", f"event-source-mapping:{uuid}")
    return account.answer(
        "lambda:UpdateEventSourceMapping", resource, {**json.loads(body), "UUID": uuid}, _update_mapping
    )


def _list_mappings(account: Account, arguments: Mapping[str, Any]) -> Answer:
    assert arguments["EventSourceArn"] == arn("kinesis", f"stream/{STACK}-requests")
    start = int(arguments.get("Marker", 0))
    found = list(account.mappings.values())[start : start + account.page]
    more = {"NextMarker": str(start + account.page)} if start + account.page < len(account.mappings) else {}
    return 200, {"EventSourceMappings": found, **more}


def _update_mapping(account: Account, arguments: Mapping[str, Any]) -> Answer:
    found = account.mappings.get(arguments["UUID"])
    if found is None:
        return 404, {"__type": "ResourceNotFoundException", "Message": "The resource you requested does not exist."}
    assert set(arguments) == {"UUID", "Enabled"}
    found["State"] = "Enabling" if arguments["Enabled"] else "Disabling"
    return 202, found


def _list_objects(*_: object) -> Answer:
    found = f"<Contents><Key>{DOCUMENT}</Key></Contents>"
    return 200, {"body": f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>".encode()}


def _get_object(account: Account, _arguments: Mapping[str, Any]) -> Answer:
    kinesis = {"sequenceNumber": "1", "data": _record_of(account), "approximateArrivalTimestamp": ACCEPTED_AT_MS / 1000}
    return 200, {"body": json.dumps({"payload": json.dumps({"Records": [{"kinesis": kinesis}]})}).encode()}


def _get_records(account: Account, arguments: Mapping[str, Any]) -> Answer:
    first = {
        "SequenceNumber": "1",
        "ApproximateArrivalTimestamp": ACCEPTED_AT_MS / 1000,
        "Data": _record_of(account),
        "PartitionKey": "any",
    }
    found = [first] if arguments["ShardIterator"] == "first" else []
    return 200, {"Records": found, "NextShardIterator": "next", "MillisBehindLatest": 0}


def _record_of(account: Account) -> str:
    """Return what the stream carries since the request was accepted."""
    accepted = image(account.request[names.ID]["S"])
    return base64.b64encode(data(record(accepted, table=f"{STACK}-requests"))).decode()


def _scan(account: Account, arguments: Mapping[str, Any]) -> Answer:
    rows: dict[str, list[dict[str, Any]]] = {
        f"{STACK}-requests": [account.request],
        STACK: [
            {
                "leaseKey": {"S": SHARD},
                "leaseOwner": {"S": "worker"},
                "leaseCounter": {"N": "7"},
                "checkpoint": {"S": "TRIM_HORIZON"},
            }
        ],
    }
    found = rows.get(arguments["TableName"], [])
    return 200, {"Items": found, "Count": len(found)}


def _query(account: Account, arguments: Mapping[str, Any]) -> Answer:
    asked = arguments["ExpressionAttributeValues"]
    if arguments["TableName"] == f"{STACK}-journal":
        whole = stuck(account.request[names.ID]["S"])
        keys = {names.ID: whole[names.ID], names.RUN: whole[names.RUN]}
        journal = keys if "ProjectionExpression" in arguments else whole
        found = [journal] if asked[":id"] == account.request[names.ID] else []
    else:
        found = [account.request] if asked[":queue"] == account.request["queue"] else []
    return 200, {"Items": found, "Count": len(found)}


def _batch_get_item(account: Account, arguments: Mapping[str, Any]) -> Answer:
    pause = {names.ID: {"S": names.CONTROL_ID}, names.PAUSED_AT: {"N": str(ACCEPTED_AT_MS)}}
    there = [*([] if account.gone else [account.request]), *([pause] if account.paused else [])]
    ((table, wanted),) = arguments["RequestItems"].items()
    ids = [key[names.ID] for key in wanted["Keys"]]
    return 200, {"Responses": {table: [item for item in there if item[names.ID] in ids]}, "UnprocessedKeys": {}}


def _list_shards(_account: Account, _arguments: Mapping[str, Any]) -> Answer:
    keys = {"StartingHashKey": "0", "EndingHashKey": "340282366920938463463374607431768211455"}
    return 200, {
        "Shards": [{"ShardId": SHARD, "HashKeyRange": keys, "SequenceNumberRange": {"StartingSequenceNumber": "1"}}]
    }


def _pause(account: Account, _arguments: Mapping[str, Any]) -> Answer:
    account.paused = True
    return 200, {}


def _delete_item(account: Account, arguments: Mapping[str, Any]) -> Answer:
    if arguments["Key"][names.ID]["S"] == names.CONTROL_ID:
        account.paused = False
    return 200, {}


_CALLS: Final[Mapping[str, Callable[[Account, Mapping[str, Any]], Answer]]] = {
    "DescribeTable": lambda _, asked: (200, {"Table": {"TableArn": arn("dynamodb", f"table/{asked['TableName']}")}}),
    "Query": _query,
    "Scan": _scan,
    "BatchGetItem": _batch_get_item,
    "BatchWriteItem": lambda *_: (200, {"UnprocessedItems": {}}),
    "BatchExecuteStatement": lambda _, asked: (200, {"Responses": [{} for _ in asked["Statements"]]}),
    "PutItem": _pause,
    "DeleteItem": _delete_item,
    "ListShards": _list_shards,
    "GetShardIterator": lambda *_: (200, {"ShardIterator": "first"}),
    "GetRecords": _get_records,
    "GetMetricStatistics": lambda *_: (200, {"Label": "IteratorAge", "Datapoints": []}),
}
