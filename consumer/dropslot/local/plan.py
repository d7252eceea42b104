"""What each process of a stack is started with."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from dropslot.local.folders import Folders
from dropslot.local.mapping.positions import POSITIONS_FILE
from dropslot.local.options import LAMBDA, StackOptions
from dropslot.local.parts import Parts, find_functions
from dropslot.local.process import ProcessSpec
from dropslot.local.servers import dynamodb_spec, endpoint, kinesis_spec

_CONFIG: Final = "dropslot.toml"
#: Longer than the consumer's own shutdown grace, which it may use up before it ends in order.
_CONSUMER_GRACE_SECONDS: Final = 40.0


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
        return self.folders.state / "consumer"

    @property
    def positions(self) -> Path:
        """File of the mapping's positions in the stream."""
        return self.folders.state / POSITIONS_FILE

    @property
    def kinesis_data_dir(self) -> Path | None:
        """kinesis-local's data folder; None while it keeps its data in memory."""
        return self.folders.data / "kinesis" if self.folders.data is not None else None

    def clear_consumer_state(self) -> None:
        """Remove the heartbeats of a consumer that has ended: they would make its successor look ready."""
        for old in self.consumer_state_dir.glob("*.json"):
            old.unlink(missing_ok=True)

    def spec(self, name: str) -> ProcessSpec:
        """Return how to start a process."""
        log = self.folders.logs / f"{name}.log"
        match name:
            case "dynamodb":
                data = self.folders.data / "dynamodb" if self.folders.data is not None else None
                return dynamodb_spec(
                    self.parts, port=self.ports[name], environment=self.environment, log=log, data_dir=data
                )
            case "kinesis":
                return kinesis_spec(
                    self.parts,
                    port=self.ports[name],
                    environment=self.environment,
                    log=log,
                    data_dir=self.kinesis_data_dir,
                )
            case "relay":
                return self._python(name, log, *self._relay_arguments())
            case "gateway":
                return self._python(name, log, *self._gateway_arguments())
            case _:
                return ProcessSpec(
                    name=name,
                    command=self._mapping_command()
                    if self.options.consumer == LAMBDA
                    else self.options.consumer_command,
                    environment=self._consumer_environment(),
                    log=log,
                    grace_seconds=_CONSUMER_GRACE_SECONDS,
                )

    def _python(self, name: str, log: Path, *arguments: str) -> ProcessSpec:
        command = (sys.executable, "-m", f"dropslot.local.{name}", *arguments)
        return ProcessSpec(name=name, command=command, environment=self.environment, log=log)

    def _mapping_command(self) -> tuple[str, ...]:
        return (
            *(sys.executable, "-m", "dropslot.local.mapping"),
            *("--kinesis-endpoint", endpoint(self.ports["kinesis"])),
            *("--stream", self.options.stream),
            *("--region", self.options.region),
            *("--functions", str(find_functions(Path.cwd()))),
            *("--state-dir", str(self.consumer_state_dir)),
            *("--positions", str(self.positions)),
            *("--failures", str(self.folders.failures)),
            *("--options", msgspec.json.encode(self.options.mapping).decode()),
        )

    def _relay_arguments(self) -> tuple[str, ...]:
        return (
            *("--dynamodb-endpoint", endpoint(self.ports["dynamodb"])),
            *("--kinesis-endpoint", endpoint(self.ports["kinesis"])),
            *("--table", self.options.table),
            *("--stream", self.options.stream),
            *("--region", self.options.region),
            *("--state", str(self.relay_state)),
            *("--expire-every-seconds", str(self.options.expire_every_seconds)),
            *self.options.faults.arguments(),
        )

    def _gateway_arguments(self) -> tuple[str, ...]:
        config = api_config(self.options)
        return (
            *("--port", str(self.ports["gateway"])),
            *(("--config", str(config)) if config is not None else ()),
            *("--table", self.options.table),
            *("--dynamodb-endpoint", endpoint(self.ports["dynamodb"])),
            *("--region", self.options.region),
        )

    def _consumer_environment(self) -> dict[str, str]:
        return {
            **self.environment,
            **({"DROPSLOT_HANDLER": self.options.handler} if self.options.handler is not None else {}),
            # kinesis-local is slow at large answers, see relay/sink.py.
            "DROPSLOT_KCL_PROPERTIES": self.environment.get("DROPSLOT_KCL_PROPERTIES", "maxRecords=100"),
            **self.options.consumer_env,
            "DROPSLOT_REGION": self.options.region,
            "DROPSLOT_TABLE": self.options.table,
            "DROPSLOT_STREAM": self.options.stream,
            "DROPSLOT_APPLICATION": self.options.application,
            "DROPSLOT_STATE_DIR": str(self.consumer_state_dir),
        }


def api_config(options: StackOptions) -> Path | None:
    """Return the API's configuration file: the one chosen, or the current folder's, None if it has none."""
    if options.config is not None:
        return options.config
    return Path(_CONFIG) if Path(_CONFIG).is_file() else None
