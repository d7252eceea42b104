"""The mapping's settings: those that are deployed, and the limits of Lambda."""

import msgspec
import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.local.mapping.options import NOTIFY_OPTIONS, MappingOptions


@pytest.mark.parametrize("options", [MappingOptions(), NOTIFY_OPTIONS], ids=["the consumer's", "the pushes'"])
def test_what_is_deployed_is_allowed_and_survives_the_command_line(options: MappingOptions) -> None:
    """Given the options of a deployed mapping, then they pass, also once they were handed over as JSON."""
    options.check()

    assert msgspec.json.decode(msgspec.json.encode(options), type=MappingOptions) == options


def test_all_faults_are_told_at_once() -> None:
    """Given several values that Lambda would refuse, then each is named."""
    with pytest.raises(ConfigurationError) as refused:
        MappingOptions(
            batch_size=0, parallelization=11, stream_timeout_seconds=901, starting_position="AT_TIMESTAMP"
        ).check()

    assert [fault.partition("=")[0] for fault in refused.value.faults] == [
        "batch_size",
        "parallelization",
        "stream_timeout_seconds",
        "starting_position",
    ]
