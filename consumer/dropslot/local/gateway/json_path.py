"""The part of JSONPath that mapping templates use: `$`, `.name`, `['name']` and `[0]`."""

import re
from typing import Any, Final

_STEP: Final = re.compile(r"""\.([\w-]+)|\[(?:'([^']*)'|"([^"]*)"|(\d+))\]""")


def select(value: Any, path: str) -> Any:
    """Return what `path` leads to, or None when it leads nowhere.

    Raises:
        ValueError: the path isn't of the supported kind.
    """
    if not path.startswith("$"):
        raise ValueError(f"a JSONPath starts with $; got {path!r}")
    position = 1
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            raise ValueError(f"this JSONPath is not supported here: {path!r}")
        position = step.end()
        index = step[4]
        if index is not None:
            value = value[int(index)] if isinstance(value, list) and int(index) < len(value) else None
        else:
            name = next(part for part in step.groups() if part is not None)
            value = value.get(name) if isinstance(value, dict) else None
    return value
