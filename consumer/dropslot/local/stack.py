"""The local stack: starts the processes in order, watches them, and stops them without leftovers."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from dropslot.core import names
from dropslot.local import consumer_state, kinesis_data
from dropslot.local.clients import dynamodb_client, kinesis_client, local_environment
from dropslot.local.errors import LocalStackError
from dropslot.local.folders import Folders
from dropslot.local.guard import Guard, descendants
from dropslot.local.info import StackInfo
from dropslot.local.options import LAMBDA, StackOptions
from dropslot.local.parts import Parts
from dropslot.local.plan import StackPlan
from dropslot.local.ports import free_ports, is_listening
from dropslot.local.process import Process, end_strays, log_tail
from dropslot.local.relay import state as relay_states
from dropslot.local.servers import dynamodb_answers, endpoint, kinesis_answers
from dropslot.local.socket.options import websocket_url
from dropslot.local.tables import ensure_connections, ensure_journal, ensure_stream, ensure_table

DYNAMODB: Final = "dynamodb"
KINESIS: Final = "kinesis"
RELAY: Final = "relay"
GATEWAY: Final = "gateway"
CONSUMER: Final = "consumer"
SOCKET: Final = "socket"
NOTIFY: Final = "notify"

_POLL_SECONDS: Final = 0.05
_SETTLE_SECONDS: Final = 15.0


class Stack:
    """All processes of the pipeline. Use as a context manager: entering starts it, leaving stops it.

    Args:
        options: the choices.
        environment: what the processes inherit, usually ``os.environ``; AWS settings in it are shut out.
        progress: told a few words at each step of starting and stopping.
    """

    def __init__(
        self, options: StackOptions, environment: Mapping[str, str], progress: Callable[[str], None] = lambda _: None
    ) -> None:
        self._options = options
        self._progress = progress
        parts = Parts.find(environment, Path.cwd())
        self._folders = Folders.open(options.persist, options.log_dir, Path.cwd())
        dynamodb_port, kinesis_port, socket_port, free_port = free_ports(4)
        self._ports = {
            DYNAMODB: dynamodb_port,
            KINESIS: kinesis_port,
            SOCKET: socket_port,
            GATEWAY: options.port if options.port is not None else free_port,
        }
        self._plan = StackPlan(
            options=options,
            parts=parts,
            folders=self._folders,
            ports=self._ports,
            environment=local_environment(
                environment,
                region=options.region,
                dynamodb_endpoint=endpoint(dynamodb_port),
                kinesis_endpoint=endpoint(kinesis_port),
            ),
        )
        self._guard: Guard | None = None
        self._processes: dict[str, Process] = {}
        self._down: set[str] = set()
        self._shards: tuple[str, ...] = ()

    @property
    def info(self) -> StackInfo:
        """Where everything is now."""
        pids = {name: process.pid for name, process in self._processes.items() if process.exit_code() is None}
        return StackInfo(
            url=endpoint(self._ports[GATEWAY]),
            websocket_url=websocket_url(self._ports[SOCKET]) if self._options.feedback else None,
            dynamodb_endpoint=endpoint(self._ports[DYNAMODB]),
            kinesis_endpoint=endpoint(self._ports[KINESIS]),
            table=self._options.table,
            journal_table=self._options.journal,
            connections_table=self._options.connections if self._options.feedback else None,
            stream=self._options.stream,
            application=self._options.application,
            region=self._options.region,
            consumer=self._options.consumer,
            pids=pids
            | consumer_state.process_ids(self._plan.consumer_state_dir)
            | consumer_state.process_ids(self._plan.notify_state_dir),
            logs=str(self._folders.logs),
            state=str(self._folders.state),
            failures=str(self._folders.failures) if self._options.consumer == LAMBDA else None,
        )

    def start(self) -> StackInfo:
        """Start everything and wait until all of it works; what can start at the same time does.

        Raises:
            ProcessDiedError: a process ended while starting.
            LocalStackError: something wasn't ready in time.
        """
        self._guard = Guard()
        data = self._plan.kinesis_data_dir
        forgets = data is not None and kinesis_data.begin(data, self._plan.relay_state)
        self._progress("starting DynamoDB Local, kinesis-local and the API")
        self._spawn(DYNAMODB, KINESIS, GATEWAY)
        self._await(DYNAMODB)
        with closing(dynamodb_client(endpoint(self._ports[DYNAMODB]), self._options.region)) as dynamodb:
            if forgets:
                self._progress("the last stack wasn't stopped in order: filling the stream again from the table")
                kinesis_data.forget_leases(dynamodb, self._options.application)
                self._plan.forget_positions()
            ensure_table(dynamodb, self._options.table)
            ensure_journal(dynamodb, self._options.journal)
            if self._options.feedback:
                ensure_connections(dynamodb, self._options.connections)
        self._await(KINESIS)
        with closing(kinesis_client(endpoint(self._ports[KINESIS]), self._options.region)) as kinesis:
            self._shards = ensure_stream(kinesis, self._options.stream, self._options.shards)
        self._progress("starting the relay and the consumer")
        feedback = (SOCKET, NOTIFY) if self._options.feedback else ()
        self._spawn(RELAY, CONSUMER, *feedback)
        self._await(RELAY, GATEWAY, CONSUMER, *feedback)
        info = self.info
        if self._options.ready_file is not None:
            info.write(self._options.ready_file)
        return info

    def stop(self) -> None:
        """Stop everything; a second call does nothing. Requests that run get the consumer's grace to end."""
        if self._options.ready_file is not None and self._processes:
            self._options.ready_file.unlink(missing_ok=True)
        # The daemon and what it starts leave the consumer's process group, so they are remembered one by one.
        strays = descendants({process.pid for process in self._processes.values()})
        try:
            if self._processes:
                self._progress("stopping")
            self._stop(GATEWAY, SOCKET, CONSUMER, NOTIFY, RELAY)
            data = self._plan.kinesis_data_dir
            if data is not None and KINESIS in self._processes and KINESIS not in self._down:
                kinesis_data.settle(data, _SETTLE_SECONDS)
                self._processes[KINESIS].kill()
            self._stop(KINESIS, DYNAMODB)
        finally:
            # Also when a second Ctrl-C cut the above short.
            for process in self._processes.values():
                process.kill()
            end_strays(strays)
            self._processes.clear()
            if self._guard is not None:
                self._guard.close()
            self._folders.close()

    def check(self) -> None:
        """Do nothing while all is well.

        Raises:
            ProcessDiedError: a process ended that nobody stopped.
        """
        for name, process in self._processes.items():
            if name not in self._down:
                process.check()

    def live_counts(self) -> dict[str, int]:
        """Return how many requests the table holds per status.

        By the relay's count of changes: exact up to its delay of a tenth of a second, and free, unlike a scan.
        """
        try:
            statuses = relay_states.read(self._plan.relay_state).statuses
        except (OSError, ValueError):
            statuses = {}
        return {status: statuses.get(status, 0) for status in (names.PENDING, names.WAITING, names.FAILED, names.DONE)}

    def shard_pids(self) -> dict[str, int]:
        """Return the process id of each shard's process; under the Lambda consumer there are none."""
        return consumer_state.shard_pids(self._plan.consumer_state_dir)

    def reload_handlers(self) -> None:
        """Have the consumer replace the processes that have imported the handlers."""
        os.kill(self._processes[CONSUMER].pid, signal.SIGUSR1)

    def kill(self, name: str) -> None:
        """Kill a process and its group, as a crash would; `check` doesn't mind until it is started again."""
        self._down.add(name)
        self._processes[name].kill()

    def halt(self, name: str) -> int | None:
        """Stop a process in order and return its exit code; `check` doesn't mind until it is started again."""
        self._down.add(name)
        self._processes[name].stop()
        return self._processes[name].exit_code()

    def restart(self, name: str) -> None:
        """Start a process again on the same port, after `kill` or `halt` or in place of the running one; wait for it.

        Raises:
            LocalStackError: a server without --persist would come back empty.
        """
        if name in {DYNAMODB, KINESIS} and self._folders.data is None:
            raise LocalStackError(f"{name} keeps its data in memory: only a stack with a persist folder can restart it")
        if name not in self._down:
            self.halt(name)
        self._plan.clear_beats(name)
        if name in {CONSUMER, NOTIFY}:
            self._shards = ()  # after a reshard only the leases say which are left to read: any will do
        self._spawn(name)
        self._await(name)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _spawn(self, *stack_names: str) -> None:
        if self._guard is None:
            raise LocalStackError("the stack isn't started")
        for name in stack_names:
            self._processes[name] = Process.start(self._plan.spec(name), self._guard)
            self._down.discard(name)

    def _stop(self, *stack_names: str) -> None:
        processes = [self._processes[name] for name in stack_names if name in self._processes]
        for process in processes:
            process.signal_stop()
        for process in processes:
            process.stop()

    def _await(self, *stack_names: str) -> None:
        waiting = list(stack_names)
        deadline = time.monotonic() + self._options.start_timeout_seconds
        while True:
            self.check()
            waiting = [name for name in waiting if not self._is_ready(name)]
            if not waiting:
                return
            if time.monotonic() > deadline:
                raise LocalStackError(self._late(waiting[0]))
            time.sleep(_POLL_SECONDS)

    def _late(self, name: str) -> str:
        log = self._processes[name].spec.log
        return (
            f"{name} wasn't ready within {self._options.start_timeout_seconds:g} s; its log is {log} and ends with:\n"
            f"{log_tail(log) or '(nothing)'}"
        )

    def _is_ready(self, name: str) -> bool:
        if name == DYNAMODB:
            return dynamodb_answers(self._ports[DYNAMODB])
        if name == KINESIS:
            return kinesis_answers(self._ports[KINESIS])
        if name in {GATEWAY, SOCKET}:
            return is_listening(self._ports[name])
        if name == RELAY:
            return self._relay_pid() == self._processes[RELAY].pid
        up = consumer_state.shards_up(
            self._plan.consumer_state_dir if name == CONSUMER else self._plan.notify_state_dir
        )
        # Only a stack that is up can be told to go on.
        paused = name == CONSUMER and consumer_state.is_paused(self._plan.consumer_state_dir)
        return (bool(up) and up.issuperset(self._shards)) or paused

    def _relay_pid(self) -> int | None:
        try:
            return relay_states.read(self._plan.relay_state).pid
        except (OSError, ValueError):
            return None
