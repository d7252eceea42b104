"""Run as a script: the runtime inside an execution environment, which calls the handler for each invocation.

Invocations come over a socket, one line of JSON each, and are answered with a line. Lambda's own runtime fetches them
by HTTP instead (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html); a handler can't tell. A raising
handler is answered for; one that ends the process is not, and its invoker sees the socket close. Standard library only:
this is the part of a cold start that isn't the function's own.
"""

import importlib
import json
import os
import queue
import signal
import socket
import sys
import threading
import time
import traceback
from typing import Any


class Context:
    """What Lambda tells a function of an invocation.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    identity = None
    client_context = None

    def __init__(self, call: dict[str, Any]) -> None:
        self.aws_request_id: str = call["request_id"]
        self.invoked_function_arn: str = call["function_arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self._deadline_epoch_seconds: float = call["deadline_epoch_seconds"]

    def get_remaining_time_in_millis(self) -> int:
        """Return how many milliseconds the function's time-out leaves."""
        return max(0, int((self._deadline_epoch_seconds - time.time()) * 1000))


def main() -> None:
    """Serve invocations until the socket closes."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    answers = connection.makefile("wb")
    module, _, function = os.environ["_HANDLER"].rpartition(".")
    handler = getattr(importlib.import_module(module), function)
    calls: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, calls), daemon=True).start()
    answers.write(b'{"ready":true}\n')
    answers.flush()
    while True:
        answers.write(_answer(handler, json.loads(calls.get())) + b"\n")
        answers.flush()


def _receive(connection: socket.socket, calls: "queue.SimpleQueue[bytes]") -> None:
    with connection.makefile("rb") as lines:
        for line in lines:
            calls.put(line)
    # The invoker is gone: nobody else would end a handler that hangs, or what it has started.
    os.killpg(0, signal.SIGKILL)


def _answer(handler: Any, call: dict[str, Any]) -> bytes:
    try:
        return json.dumps({"failed": False, "value": handler(call["event"], Context(call))}).encode()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the function's answer
        traceback.print_exc()
        return json.dumps({"failed": True, "value": type(error).__name__}).encode()


if __name__ == "__main__":
    main()
