"""Finds handlers in the project's source, without running it: what they import need not be there to deploy them."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dropslot_infra.lambda_asset import has_requirements

#: The folder that is deployed; nothing else of the project's own is.
_FOLDER: Final = "app"
#: With one of these in a module, only running it tells what it has.
_ANYTHING: Final = frozenset({"*", "__getattr__"})


def handler_fault(target: str, project: Path) -> str:
    """Say why a handler can't be what the settings name; "" if nothing speaks against it.

    Args:
        target: ``module:function``.
        project: the folder that holds `app/`.
    """
    module, _, function = target.partition(":")
    parts = module.split(".")
    if parts[0] != _FOLDER:
        # A package may bring it, under whatever name.
        if has_requirements(project / _FOLDER / "requirements.txt"):
            return ""
        return (
            f"{target} isn't deployed: only {_FOLDER}/ is, and what {_FOLDER}/requirements.txt names, which is nothing"
        )
    path = project.joinpath(*parts)
    files = [file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()]
    if not files:
        return f"{target}: there is no {path.with_suffix('.py').relative_to(project)}"
    file = files[0].relative_to(project)
    try:
        tree = ast.parse(files[0].read_bytes())
    except SyntaxError as wrong:
        return f"{target}: {file}:{wrong.lineno} is no Python: {wrong.msg}"
    names = set(_names(tree))
    if function not in names and names.isdisjoint(_ANYTHING):
        return f"{target}: {file} has no {function}"
    return ""


def _names(tree: ast.Module) -> Iterator[str]:
    """Yield what is bound anywhere in a module; the consumer, which runs it, looks more closely."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.alias(name=name, asname=other):
                yield other if other is not None else name
            case _:
                pass
