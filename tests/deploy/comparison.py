"""Where what was made differs from what was asked for."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.deploy.expected import Like


def differences(wanted: Any, made: Any, path: str = "") -> Iterator[str]:
    """Yield the place of each difference: `Outer.Inner`, with `[]` for any entry of a list.

    What was made may have more than what was wanted, as defaults do; a list may not, but for tags. Upper and lower case
    of keys don't count, since services and templates spell them differently; the order of lists neither.

    Args:
        wanted: as the template has it.
        made: as the service tells it.
        path: where both stand.
    """
    if isinstance(wanted, Mapping) and isinstance(made, Mapping):
        spelled = {key.lower(): entry for key, entry in made.items()}
        for key, entry in wanted.items():
            yield from differences(entry, spelled.get(key.lower()), f"{path}.{key}" if path else key)
    elif _is_list(wanted) and _is_list(made):
        yield from _list_differences(wanted, made, path)
    elif _is_list(wanted) and len(wanted) == 1 and isinstance(made, str):
        # In policies a list of one may stand without its brackets.
        yield from differences(wanted[0], made, path)
    elif not _same(wanted, made):
        yield path


def _list_differences(wanted: Sequence[Any], made: Sequence[Any], path: str) -> Iterator[str]:
    left = list(made)
    for entry in wanted:
        if not left:
            yield f"{path}[]"
            continue
        found = {index: list(differences(entry, other, f"{path}[]")) for index, other in enumerate(left)}
        nearest = min(found, key=lambda index: len(found[index]))
        yield from found[nearest]
        del left[nearest]
    if left and not path.endswith("Tags"):
        yield f"{path}[]"


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _same(wanted: object, made: object) -> bool:
    if isinstance(wanted, Like):
        return wanted.fits(made)
    if isinstance(wanted, bool) or isinstance(made, bool):
        return wanted is made or str(wanted).lower() == str(made).lower()
    if isinstance(wanted, int | float) or isinstance(made, int | float):
        return _number(wanted) == _number(made) is not None
    if not wanted and not made:
        return True  # nothing asked for, nothing there
    return wanted == made


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None
