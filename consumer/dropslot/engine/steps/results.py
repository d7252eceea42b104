"""Results of steps as JSON: what is kept, and what a function's annotation makes of it."""

import functools
import inspect
import json
import typing
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import msgspec

from dropslot.core.errors import StepsMisusedError
from dropslot.core.policy import describe

T = TypeVar("T")

#: One result, as JSON.
RESULT_MAX_BYTES: Final = 32_768

_encode: Final = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode


class Codec(Generic[T]):
    """Keeps the results of one function.

    The first run gets what a later one will read, so that both go on with the same: a list where a tuple was returned
    without an annotation.

    Args:
        decode: from JSON.
    """

    def __init__(self, decode: Callable[[str], T]) -> None:
        self.decode: Final = decode

    @classmethod
    def of(cls, name: str, function: Callable[..., Any]) -> "Codec[Any]":
        """Return the codec of a step's function.

        Args:
            name: of the step.
            function: its return annotation is the type, if it has one.

        Raises:
            StepsMisusedError: its annotation is no type that JSON can be decoded to.
        """
        hint = _return_hint(function)
        try:
            decoder = msgspec.json.Decoder(hint)
        except Exception as wrong:  # noqa: BLE001 - the names in a class's annotations may be unknown here
            raise StepsMisusedError(
                f"step {name!r}: its function is annotated to return {hint!r}, which results can't be read as: {wrong}"
            ) from None

        def decode(text: str) -> Any:
            try:
                return decoder.decode(text)
            except Exception as wrong:  # noqa: BLE001 - a class of the user's may refuse it in its own words
                raise StepsMisusedError(
                    f"step {name!r}: its result isn't what its function is annotated to return: {wrong}"
                ) from None

        return Codec(decode)


def to_json(name: str, value: object) -> str:
    """Return a step's result as JSON.

    Raises:
        StepsMisusedError: it can't be kept.
    """
    try:
        # Not by msgspec alone, which writes NaN as null: it would come back as something else.
        text = _encode(msgspec.to_builtins(value, str_keys=True))
        size = len(text.encode())
    except Exception as wrong:  # noqa: BLE001 - the classes of a user's value may do anything when looked at
        raise StepsMisusedError(
            f"step {name!r}: it ran, but its result can't be kept: it is not JSON: {describe(wrong)}"
        ) from None
    if size > RESULT_MAX_BYTES:
        raise StepsMisusedError(
            f"step {name!r}: it ran, but its result can't be kept: it has {size} bytes of JSON, the limit is "
            f"{RESULT_MAX_BYTES}: return what later steps need, such as an id"
        )
    return text


def _return_hint(function: Callable[..., Any]) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    target = function if inspect.isroutine(function) else type(function).__call__
    try:
        return typing.get_type_hints(inspect.unwrap(target)).get("return", Any)
    except Exception:  # noqa: BLE001 - a name that can't be resolved here, or no function at all: then without a type
        return Any
