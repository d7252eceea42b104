"""What the mappings between stream and functions are set to, wherever they are made: in an account, or locally.

https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html
"""

from collections.abc import Mapping
from typing import Any, Final

from dropslot.core import names

#: Functions, as their configuration names them: module and function at the root of what is deployed.
STREAM_HANDLER: Final = "dropslot_stream.handler"
SWEEP_HANDLER: Final = "dropslot_sweep.handler"
NOTIFY_HANDLER: Final = "dropslot_notify.handler"
SOCKET_HANDLER: Final = "dropslot_socket.handler"

STARTING_POSITION: Final = "TRIM_HORIZON"
RESPONSE_TYPE: Final = "ReportBatchItemFailures"

_ABSENT: Final = [{"exists": False}]
#: What may ask for a run: a new request, or one whose attempt grew. It spares invocations for our own write-backs; the
#: core still decides. `exists` works on leaves alone, and numbers are strings in DynamoDB's JSON.
#: Operators' commands know the consumer's mapping by them: if they change, it must be known by the old ones, too, as
#: long as there are stacks that were deployed with those.
FILTERS: Final[tuple[Mapping[str, Any], ...]] = (
    {"data": {"eventName": ["INSERT"]}},
    {
        "data": {
            "eventName": ["MODIFY"],
            "dynamodb": {
                "NewImage": {
                    names.ATTEMPT: {"N": [{"anything-but": ["0"]}]},
                    names.TTL: {"N": _ABSENT},
                    names.ERROR: {"S": _ABSENT},
                }
            },
        }
    },
)

BATCH_SIZE: Final = 100
BATCHING_WINDOW_SECONDS: Final = 1
PARALLELIZATION: Final = 1
BISECT: Final = True
#: A request that ends its process four times over is failed by then, even with others of its kind in the batch.
RETRY_ATTEMPTS: Final = 10
#: Before a stream with the shortest retention (24 h) forgets a record, it goes to the failure destination. Not less:
#: with a backlog old records are still worth processing, and the sweep brings what was given up more slowly.
RECORD_AGE_SECONDS: Final = 23 * 3600

#: A batch is given up by its time-out; twice the default limit of a handler and a good deal more.
STREAM_TIMEOUT_SECONDS: Final = 300
STREAM_MEMORY_MIB: Final = 512
#: The sweep goes on while there is work, until the next one starts.
SWEEP_TIMEOUT_SECONDS: Final = 55
SWEEP_MEMORY_MIB: Final = 256
#: A schedule's finest step.
SWEEP_EVERY_SECONDS: Final = 60

#: The second mapping, of the function that pushes outcomes: what was unsettled and is settled.
NOTIFY_FILTERS: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "data": {
            "eventName": ["MODIFY"],
            "dynamodb": {
                "OldImage": {names.STATUS: {"S": [{"prefix": names.PENDING}, {"prefix": names.WAITING}]}},
                "NewImage": {names.STATUS: {"S": [{"prefix": names.DONE}, {"prefix": names.FAILED}]}},
            },
        }
    },
)
#: A watch is younger than its mapping: nobody waits for what was settled before.
NOTIFY_STARTING_POSITION: Final = "LATEST"
NOTIFY_BATCH_SIZE: Final = 100
#: Somebody is waiting.
NOTIFY_BATCHING_WINDOW_SECONDS: Final = 0
NOTIFY_PARALLELIZATION: Final = 1
NOTIFY_BISECT: Final = True
#: Whoever wasn't told in time has asked by now: a push is a convenience, and old ones must not hold up the new.
NOTIFY_RETRY_ATTEMPTS: Final = 2
NOTIFY_RECORD_AGE_SECONDS: Final = 300
NOTIFY_TIMEOUT_SECONDS: Final = 30
NOTIFY_MEMORY_MIB: Final = 256
#: API Gateway's own limit of an integration (https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html).
SOCKET_TIMEOUT_SECONDS: Final = 29
SOCKET_MEMORY_MIB: Final = 256
