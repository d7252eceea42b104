"""The user's handler: found by its name, checked before any request reaches it."""

import importlib
import inspect
import traceback
from collections.abc import Callable, Mapping
from logging import getLogger
from typing import Any, Final

import msgspec

from dropslot.core.errors import ConfigurationError

_log: Final = getLogger(__name__)


class Handler(msgspec.Struct, frozen=True):
    """A handler that can be called with a request.

    Args:
        target: its name, ``module:function``.
        function: the callable itself.
        is_async: it returns an awaitable.
        takes_steps: it is called with the request and its steps.
    """

    target: str
    function: Callable[..., Any]
    is_async: bool
    takes_steps: bool = False


def load_handlers(targets: Mapping[str, str]) -> dict[str, Handler]:
    """Load one handler per type.

    Args:
        targets: type to ``module:function``.

    Raises:
        ConfigurationError: listing each handler that can't be used, and why.
    """
    handlers: dict[str, Handler] = {}
    faults: list[str] = []
    for type_name, target in targets.items():
        try:
            handlers[type_name] = load_handler(target)
        except ConfigurationError as wrong:
            faults.extend(wrong.faults)
    if faults:
        raise ConfigurationError(*faults)
    return handlers


def load_handler(target: str) -> Handler:
    """Load one handler.

    Raises:
        ConfigurationError: its module can't be imported, or what it names can't be called with a request.
    """
    module_name, _, function_name = target.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as wrong:
        hint = (
            "is its folder the current one, or on PYTHONPATH?"
            if wrong.name is not None and (module_name == wrong.name or module_name.startswith(f"{wrong.name}."))
            else f"it imports {wrong.name}, which is not installed"
        )
        raise ConfigurationError(f"handler {target}: no module {wrong.name!r}: {hint}") from None
    except SyntaxError as wrong:
        where = f"{wrong.filename}:{wrong.lineno}"
        raise ConfigurationError(
            f"handler {target}: importing {module_name} raised SyntaxError at {where}: {wrong.msg}"
        ) from None
    except (Exception, SystemExit) as wrong:
        at = traceback.extract_tb(wrong.__traceback__)[-1]
        raise ConfigurationError(
            f"handler {target}: importing {module_name} raised {type(wrong).__name__} at {at.filename}:{at.lineno}"
        ) from wrong
    function = getattr(module, function_name, None)
    if not callable(function):
        raise ConfigurationError(f"handler {target}: {module_name} has no function {function_name!r}")
    takes_steps = _takes_steps(target, function)
    if inspect.get_annotations(function).get("return") in (str, "str"):
        _log.warning(
            "handler_returns_str",
            extra={"handler": target, "advice": 'a returned string is an error: raise Reject("why") instead'},
        )
    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
    return Handler(target, function, is_async, takes_steps)


def _takes_steps(target: str, function: Callable[..., Any]) -> bool:
    """Tell whether a handler is to be called with steps: it needs a second argument, or has one of that name.

    Raises:
        ConfigurationError: it can be called neither with nor without.
    """
    try:
        signature = inspect.signature(function)
    except ValueError:
        return False  # a builtin without a signature: it will show
    positional = [one for one in signature.parameters.values() if one.kind in _POSITIONAL]
    if len(positional) > 1 and positional[1].name == "steps" and _binds(signature, 2):
        return True
    if _binds(signature, 1):
        return False
    if _binds(signature, 2):
        return True
    name = function.__name__ if hasattr(function, "__name__") else "handle"
    raise ConfigurationError(
        f"handler {target}: must be callable with the request, or with the request and its steps: "
        f"def {name}(request) or def {name}(request, steps)"
    )


def _binds(signature: inspect.Signature, arguments: int) -> bool:
    try:
        signature.bind(*[object()] * arguments)
    except TypeError:
        return False
    return True


_POSITIONAL: Final = frozenset((inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD))
