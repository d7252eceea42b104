"""One execution environment of a function: a process that serves one invocation at a time, and is killed if it must.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from dropslot.local.errors import LocalStackError
from dropslot.local.mapping import bootstrap
from dropslot.local.mapping.event import ACCOUNT, PAYLOAD_MAX_BYTES

VERSION: Final = "1"
#: How often an invocation's memory is looked at.
_WATCH_SECONDS: Final = 0.1
_BOOTSTRAP: Final = str(Path(bootstrap.__file__).resolve())
_CHUNK_BYTES: Final = 64 * 1024
#: An answer above the limit is still read, to be refused as what it is.
_LINE_MAX_BYTES: Final = 2 * PAYLOAD_MAX_BYTES


class InvocationError(LocalStackError):
    """The function didn't answer an invocation; its environment is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSpec:
    """A function as it is deployed.

    Args:
        name: what the log calls it.
        handler: module and function at a root of the Python path.
        environment: variables of its processes, without those that Lambda itself sets.
        timeout_seconds: of one invocation, and of starting an environment.
        memory_mib: what one process may hold.
    """

    name: str
    handler: str
    environment: Mapping[str, str]
    timeout_seconds: float
    memory_mib: int

    @property
    def arn(self) -> str:
        """What an invocation record calls it."""
        return f"arn:aws:lambda:{self.environment['AWS_REGION']}:{ACCOUNT}:function:{self.name}"

    def variables(self, log_stream: str) -> dict[str, str]:
        """Return all variables of one process.

        https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
        """
        return {
            **self.environment,
            "_HANDLER": self.handler,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": VERSION,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory_mib),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
            "TZ": ":UTC",
        }


class Environment:
    """A running process of a function. Make it with `start`; `kill` ends it in any state."""

    def __init__(self, spec: FunctionSpec, connection: socket.socket, process: asyncio.subprocess.Process) -> None:
        self._spec = spec
        self._connection = connection
        self._process = process
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._log: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, spec: FunctionSpec, log_stream: str, on_line: Callable[[bytes], None]) -> Self:
        """Start a process and wait until its handler is imported.

        Args:
            spec: the function.
            log_stream: name of this environment in the log.
            on_line: told each line of its output.

        Raises:
            InvocationError: it ended, or took too long.
        """
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                # Not the folder of the script: its modules are none of the function's.
                "-P",
                _BOOTSTRAP,
                str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=spec.variables(log_stream),
                pass_fds=(theirs.fileno(),),
                # A group of its own: what a handler has started goes with it.
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        environment = cls(spec, ours, process)
        try:
            environment._log = asyncio.create_task(environment._follow_log(on_line))
            environment._reader, environment._writer = await asyncio.open_unix_connection(
                sock=ours, limit=_LINE_MAX_BYTES
            )
            await environment._line(spec.timeout_seconds)
        except BaseException:
            await environment.kill()
            raise
        return environment

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    async def invoke(self, event: bytes, request_id: str) -> tuple[bool, Any]:
        """Hand over an event and wait for the answer.

        Args:
            event: JSON.
            request_id: of the invocation.

        Returns:
            Whether the handler raised, and what it returned or raised.

        Raises:
            InvocationError: it timed out, used too much memory, answered too much or ended. The process is of no more
                use.
        """
        assert self._writer is not None  # noqa: S101 - `start` has set it
        call = {
            "request_id": request_id,
            "function_arn": self._spec.arn,
            "deadline_epoch_seconds": time.time() + self._spec.timeout_seconds,
            "event": msgspec.Raw(event),
        }
        try:
            self._writer.write(msgspec.json.encode(call) + b"\n")
            await self._writer.drain()
        except ConnectionError:
            raise InvocationError("the process ended between two invocations") from None
        answer = msgspec.json.decode(await self._line(self._spec.timeout_seconds))
        return bool(answer["failed"]), answer["value"]

    async def kill(self) -> None:
        """Kill the process and what it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        if self._log is not None:
            await self._log
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()
        self._connection.close()

    async def _line(self, seconds: float) -> bytes:
        """Wait for the next line of the process, and for no longer than this; watch its memory meanwhile."""
        assert self._reader is not None  # noqa: S101 - `start` has set it
        deadline = time.monotonic() + seconds
        reading = asyncio.create_task(self._reader.readline())
        try:
            while not reading.done():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise InvocationError(f"timed out after {seconds:g} s")
                await asyncio.wait({reading}, timeout=min(left, _WATCH_SECONDS))
                if memory_mib(self._process.pid) > self._spec.memory_mib:
                    raise InvocationError(f"used more than {self._spec.memory_mib} MiB")
            line = reading.result()
        except (ValueError, ConnectionError):
            line = b""
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        if len(line) > PAYLOAD_MAX_BYTES:
            raise InvocationError("answered more than 6 MB")
        if not line.endswith(b"\n"):
            raise InvocationError("the process ended")
        return line

    async def _follow_log(self, on_line: Callable[[bytes], None]) -> None:
        output = self._process.stdout
        assert output is not None  # noqa: S101 - it is a pipe
        rest = b""
        while chunk := await output.read(_CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                on_line(line)
        if rest:
            on_line(rest)


def memory_mib(pid: int) -> float:
    """Return how much memory a process holds, as the kernel counts it; 0 where that can't be read."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_bytes().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2
