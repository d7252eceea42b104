"""The functions that mappings invoke, as they are deployed."""

from collections.abc import Mapping

from dropslot.core import mapping
from dropslot.local.mapping.environment import FunctionSpec
from dropslot.local.mapping.options import MappingOptions


def stream_function(options: MappingOptions, environment: Mapping[str, str]) -> FunctionSpec:
    """Return the function that runs requests."""
    return _batches("dropslot-stream", mapping.STREAM_HANDLER, options, environment)


def notify_function(options: MappingOptions, environment: Mapping[str, str]) -> FunctionSpec:
    """Return the function that pushes outcomes."""
    return _batches("dropslot-notify", mapping.NOTIFY_HANDLER, options, environment)


def sweep_function(options: MappingOptions, environment: Mapping[str, str]) -> FunctionSpec:
    """Return the function that sweeps."""
    return FunctionSpec(
        name="dropslot-sweep",
        handler=mapping.SWEEP_HANDLER,
        environment=environment,
        timeout_seconds=options.sweep_timeout_seconds,
        memory_mib=options.sweep_memory_mib,
    )


def _batches(name: str, handler: str, options: MappingOptions, environment: Mapping[str, str]) -> FunctionSpec:
    return FunctionSpec(
        name=name,
        handler=handler,
        environment=environment,
        timeout_seconds=options.stream_timeout_seconds,
        memory_mib=options.stream_memory_mib,
    )
