"""The mapping's settings: those that are deployed, and the limits of Lambda."""

import msgspec
import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.local.mapping.options import MappingOptions


def test_the_defaults_are_allowed_and_survive_the_command_line() -> None:
    """Given the defaults, then they pass, also once they were handed over as JSON."""
    MappingOptions().check()

    assert msgspec.json.decode(msgspec.json.encode(MappingOptions()), type=MappingOptions) == MappingOptions()


def test_all_faults_are_told_at_once() -> None:
    """Given several values that Lambda would refuse, then each is named."""
    with pytest.raises(ConfigurationError) as refused:
        MappingOptions(batch_size=0, parallelization=11, stream_timeout_seconds=901).check()

    assert [fault.partition("=")[0] for fault in refused.value.faults] == [
        "batch_size",
        "parallelization",
        "stream_timeout_seconds",
    ]
