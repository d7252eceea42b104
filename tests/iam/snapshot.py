"""The recording that the repository keeps: what each role was seen to need."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from tests.iam.calls import Need

_FILE: Final = Path(__file__).with_name("recorded.json")


def read() -> dict[str, frozenset[Need]]:
    """Return it, by role; {} where there is none yet."""
    if not _FILE.is_file():
        return {}
    return {
        role: frozenset(Need.from_json(each) for each in needed)
        for role, needed in json.loads(_FILE.read_text()).items()
    }


def write(recorded: Mapping[str, Collection[Need]]) -> None:
    """Replace it, sorted, so that a difference tells what changed."""
    roles = {role: [each.to_json() for each in sorted(needed)] for role, needed in sorted(recorded.items())}
    _FILE.write_text(json.dumps(roles, indent=2) + "\n")
