"""What each process of a stack is started with."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from dropslot.local.folders import CONSUMER_STATE, NOTIFY_STATE, Folders
from dropslot.local.mapping.options import MappingOptions
from dropslot.local.mapping.positions import NOTIFY_POSITIONS_FILE, POSITIONS_FILE
from dropslot.local.options import LAMBDA, StackOptions
from dropslot.local.parts import Parts, find_functions
from dropslot.local.process import ProcessSpec
from dropslot.local.servers import dynamodb_spec, endpoint, kinesis_spec
from dropslot.local.socket.options import callback_url

_CONFIG: Final = "dropslot.toml"
#: Longer than the graces of their own, which they may use up before they end in order.
_GRACE_SECONDS: Final = {"consumer": 40.0, "socket": 10.0, "notify": 10.0}
_OTHERS_GRACE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPlan:
    """The commands of one stack.

    Args:
        options: the choices.
        parts: the programs.
        folders: where everything is kept.
        ports: loopback port by process.
        environment: what all processes get.
    """

    options: StackOptions
    parts: Parts
    folders: Folders
    ports: Mapping[str, int]
    environment: Mapping[str, str]

    @property
    def relay_state(self) -> Path:
        """The relay's state file."""
        return self.folders.state / "relay.json"

    @property
    def consumer_state_dir(self) -> Path:
        """The folder of the consumer's heartbeats."""
        return self.folders.state / CONSUMER_STATE

    @property
    def notify_state_dir(self) -> Path:
        """The folder of the heartbeat of the mapping that pushes."""
        return self.folders.state / NOTIFY_STATE

    def forget_positions(self) -> None:
        """Remove the mappings' positions, which belong to a stream that is gone."""
        for file in (POSITIONS_FILE, NOTIFY_POSITIONS_FILE):
            (self.folders.state / file).unlink(missing_ok=True)

    @property
    def kinesis_data_dir(self) -> Path | None:
        """kinesis-local's data folder; None while it keeps its data in memory."""
        return self.folders.data / "kinesis" if self.folders.data is not None else None

    def clear_beats(self, name: str) -> None:
        """Remove the heartbeats of a process that has ended: they would make its successor look ready."""
        folders = {"consumer": self.consumer_state_dir, "notify": self.notify_state_dir}
        for old in folders[name].glob("*.json") if name in folders else ():
            old.unlink(missing_ok=True)

    def spec(self, name: str) -> ProcessSpec:
        """Return how to start a process."""
        log = self.folders.logs / f"{name}.log"
        data = self.folders.data
        match name:
            case "dynamodb":
                return dynamodb_spec(
                    self.parts,
                    port=self.ports[name],
                    environment=self.environment,
                    log=log,
                    data_dir=data / name if data is not None else None,
                )
            case "kinesis":
                return kinesis_spec(
                    self.parts,
                    port=self.ports[name],
                    environment=self.environment,
                    log=log,
                    data_dir=self.kinesis_data_dir,
                )
        return ProcessSpec(
            name=name,
            command=self._command(name),
            environment=self._environment(name),
            log=log,
            grace_seconds=_GRACE_SECONDS.get(name, _OTHERS_GRACE_SECONDS),
        )

    def _command(self, name: str) -> tuple[str, ...]:
        match name:
            case "relay":
                return _python(name, *self._relay_arguments())
            case "gateway":
                return _python(name, *self._gateway_arguments())
            case "socket":
                return _python(name, *self._socket_arguments())
            case "notify":
                return _python(
                    "mapping",
                    "--notify",
                    *self._mapping_arguments(self.options.notify, self.notify_state_dir, NOTIFY_POSITIONS_FILE),
                )
        return self._consumer_command()

    def _environment(self, name: str) -> Mapping[str, str]:
        match name:
            case "relay" | "gateway":
                return self.environment
            case "socket" | "notify":
                return self._feedback_environment()
        return self._consumer_environment()

    def _consumer_command(self) -> tuple[str, ...]:
        if self.options.consumer != LAMBDA:
            return self.options.consumer_command
        return _python(
            "mapping",
            *self._mapping_arguments(self.options.mapping, self.consumer_state_dir, POSITIONS_FILE),
            *("--failures", str(self.folders.failures)),
        )

    def _mapping_arguments(self, options: MappingOptions, state_dir: Path, positions: str) -> tuple[str, ...]:
        return (
            *("--kinesis-endpoint", endpoint(self.ports["kinesis"])),
            *("--stream", self.options.stream),
            *("--region", self.options.region),
            *("--functions", str(find_functions(Path.cwd()))),
            *("--state-dir", str(state_dir)),
            *("--positions", str(self.folders.state / positions)),
            *("--options", msgspec.json.encode(options).decode()),
        )

    def _socket_arguments(self) -> tuple[str, ...]:
        return (
            *("--port", str(self.ports["socket"])),
            *("--functions", str(find_functions(Path.cwd()))),
            *("--region", self.options.region),
            *self._auth_arguments(),
            *("--cors-origin", self.options.cors_origin),
            *("--options", msgspec.json.encode(self.options.socket).decode()),
        )

    def _auth_arguments(self) -> tuple[str, ...]:
        callers = self.options.callers
        return ("--auth", self.options.auth, *(("--callers", str(callers)) if callers is not None else ()))

    def _relay_arguments(self) -> tuple[str, ...]:
        return (
            *("--dynamodb-endpoint", endpoint(self.ports["dynamodb"])),
            *("--kinesis-endpoint", endpoint(self.ports["kinesis"])),
            *("--table", self.options.table),
            *("--stream", self.options.stream),
            *("--region", self.options.region),
            *("--state", str(self.relay_state)),
            *("--expire-every-seconds", str(self.options.expire_every_seconds)),
            *("--journal", self.options.journal),
            *(("--connections", self.options.connections) if self.options.feedback else ()),
            *self.options.faults.arguments(),
        )

    def _gateway_arguments(self) -> tuple[str, ...]:
        config = api_config(self.options)
        return (
            *("--port", str(self.ports["gateway"])),
            *(("--config", str(config)) if config is not None else ()),
            *("--table", self.options.table),
            *("--journal", self.options.journal),
            *("--dynamodb-endpoint", endpoint(self.ports["dynamodb"])),
            *("--region", self.options.region),
            *self._auth_arguments(),
            *("--cors-origin", self.options.cors_origin),
        )

    def _feedback_environment(self) -> dict[str, str]:
        return {
            **self.environment,
            "DROPSLOT_TABLE": self.options.table,
            "DROPSLOT_CONNECTIONS": self.options.connections,
            "DROPSLOT_CALLBACK_URL": callback_url(self.ports["socket"]),
        }

    def _consumer_environment(self) -> dict[str, str]:
        return {
            **self.environment,
            **({"DROPSLOT_HANDLER": self.options.handler} if self.options.handler is not None else {}),
            # kinesis-local is slow at large answers, see relay/sink.py.
            "DROPSLOT_KCL_PROPERTIES": self.environment.get("DROPSLOT_KCL_PROPERTIES", "maxRecords=100"),
            **self.options.consumer_env,
            "DROPSLOT_REGION": self.options.region,
            "DROPSLOT_TABLE": self.options.table,
            "DROPSLOT_JOURNAL": self.options.journal,
            "DROPSLOT_STREAM": self.options.stream,
            "DROPSLOT_APPLICATION": self.options.application,
            "DROPSLOT_STATE_DIR": str(self.consumer_state_dir),
        }


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"dropslot.local.{module}", *arguments)


def api_config(options: StackOptions) -> Path | None:
    """Return the API's configuration file: the one chosen, or the current folder's, None if it has none."""
    if options.config is not None:
        return options.config
    return Path(_CONFIG) if Path(_CONFIG).is_file() else None
