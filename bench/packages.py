"""The folder that a measured function finds its packages in: those that it was given, and no others."""

import compileall
import shutil
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]

#: What `requirements/lambda.txt` installs, and our own.
DROPSLOT: Final = ("msgspec", "dropslot", "dropslot_stream", "bench_handler")
#: What Lambda's runtime has.
BOTO3: Final = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
#: With those of its dependencies that the runtime hasn't.
POWERTOOLS: Final = ("aws_lambda_powertools", "typing_extensions")

_FUNCTIONS: Final = ROOT / "bench" / "functions"


def make_asset(folder: Path, modules: Iterable[str], *, root: Path = ROOT) -> Path:
    """Fill a new folder with modules, all compiled.

    More would be looked for by some of them, and some of it taken: each way gets what it would have when deployed.

    Args:
        folder: the new folder.
        modules: by name.
        root: the tree that our own come from, but for the bench's.

    Raises:
        ModuleNotFoundError: one isn't installed.
    """
    folder.mkdir()
    for name in modules:
        source = _own(name, root)
        if source is None:
            installed = _installed(name)
            (folder / installed.name).symlink_to(installed)
        elif source.is_dir():
            shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    # Whatever PYTHONDONTWRITEBYTECODE says: what is installed was compiled by pip.
    compileall.compile_dir(folder, quiet=1)
    return folder


def _own(name: str, root: Path) -> Path | None:
    folders = (root / "consumer", root / "lambda", _FUNCTIONS)
    candidates = (folder / part for folder in folders for part in (name, f"{name}.py"))
    return next((candidate for candidate in candidates if candidate.exists()), None)


def _installed(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{name} is not installed: run `make setup`")
    module = Path(spec.origin)
    return module.parent if module.name == "__init__.py" else module
