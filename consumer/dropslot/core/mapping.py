"""What the mapping between stream and function is set to, wherever it is made: in an account, or locally.

https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html
"""

from collections.abc import Mapping
from typing import Any, Final

from dropslot.core import names

#: Functions, as their configuration names them: module and function at the root of what is deployed.
STREAM_HANDLER: Final = "dropslot_stream.handler"
SWEEP_HANDLER: Final = "dropslot_sweep.handler"

STARTING_POSITION: Final = "TRIM_HORIZON"
RESPONSE_TYPE: Final = "ReportBatchItemFailures"

_ABSENT: Final = [{"exists": False}]
#: What may ask for a run: a new request, or one whose attempt grew. It spares invocations for our own write-backs; the
#: core still decides. `exists` works on leaves alone, and numbers are strings in DynamoDB's JSON.
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
