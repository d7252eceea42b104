"""What the functions are deployed as: handlers, Dropslot's path to them and their packages, in one folder."""

import compileall
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Final

#: What of the package no function imports.
LEFT_OUT: Final = frozenset(
    {"__main__.py", "api", "cli", "cli.py", "console", "demo", "local", "runtimes/kcl", "runtimes/preflight.py"}
)
_NOT_SOURCES: Final = ("__pycache__", "*.pyc", ".*")
#: Lambda runs code as another user than the one who built it.
_FOLDER_MODE: Final = 0o755
_FILE_MODE: Final = 0o644
#: Where Lambda unpacks it.
_TASK_ROOT: Final = "/var/task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where an asset is to run.

    Args:
        python: version, such as ``3.13``.
        platforms: tags of wheels that run there, best first.
    """

    python: str = "3.13"
    # Lambda's Python 3.13 is on Amazon Linux 2023, glibc 2.34.
    platforms: tuple[str, ...] = ("manylinux_2_28_aarch64", "manylinux2014_aarch64")


class LambdaAsset:
    """Builds the folder that the functions are deployed from, without Docker: pip takes wheels for the target alone.

    Args:
        project: folder with `app/`, `consumer/`, `lambda/` and `requirements/`.
        target: where it is to run.
        with_app: whether handlers, and what they need, are in it.
    """

    def __init__(self, project: Path, target: Target, *, with_app: bool = True) -> None:
        self._package = project / "consumer" / "dropslot"
        self._entries = project / "lambda"
        self._app = project / "app"
        self._lock = project / "requirements" / "lambda.txt"
        self._app_requirements = self._app / "requirements.txt"
        self._target = target
        self._with_app = with_app

    @property
    def entries(self) -> Path:
        """The folder with the modules that Lambda calls."""
        return self._entries

    def fingerprint(self) -> str:
        """Return a hash of all that the asset is made of: the same sources give the same, on any machine."""
        digest = hashlib.sha256(json.dumps(asdict(self._target)).encode())
        for name, file in sorted([*self._sources(), ("lock", self._lock)]):
            content = file.read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
        return digest.hexdigest()

    def build(self, folder: Path) -> None:
        """Fill a folder.

        Args:
            folder: made if it isn't there.

        Raises:
            RuntimeError: packages can't be had for the target, with pip's own words.
        """
        self._install(folder, "--require-hashes", "--no-deps", "--requirement", str(self._lock))
        if self._with_app and has_requirements(self._app_requirements):
            with tempfile.TemporaryDirectory() as scratch:
                # One set of versions: what can't be had beside Dropslot's own lock fails here.
                constraints = Path(scratch) / "constraints.txt"
                constraints.write_text(_without_hashes(self._lock.read_text()))
                self._install(folder, "--constraint", str(constraints), "--requirement", str(self._app_requirements))
        # Commands, with the path of this very Python in them.
        shutil.rmtree(folder / "bin", ignore_errors=True)
        for name, file in self._sources():
            copy = folder / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        if self._target.python == f"{sys.version_info.major}.{sys.version_info.minor}":
            self._compile(folder)
        for path in (folder, *folder.rglob("*")):
            path.chmod(_FOLDER_MODE if path.is_dir() else _FILE_MODE)

    def _compile(self, folder: Path) -> None:
        """Spare each cold start the compiling, which takes 17 ms and which Lambda can't keep.

        Another Python's code can't be made here; then each start compiles. The fingerprint doesn't tell the two apart.
        """
        compileall.compile_dir(
            folder,
            # What can't be compiled is for a path that isn't taken, or for an import to tell of.
            quiet=2,
            optimize=0,
            stripdir=str(folder),
            prependdir=_TASK_ROOT,
            # Files get other times on the way to Lambda, and none changes there.
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        )

    def _sources(self) -> Iterator[tuple[str, Path]]:
        for file in _files(self._package):
            name = file.relative_to(self._package)
            if LEFT_OUT.isdisjoint(part.as_posix() for part in (name, *name.parents)):
                yield f"dropslot/{name.as_posix()}", file
        for file in _files(self._app) if self._with_app else ():
            yield f"{self._app.name}/{file.relative_to(self._app).as_posix()}", file
        for file in _files(self._entries):
            yield file.relative_to(self._entries).as_posix(), file

    def _install(self, folder: Path, *arguments: str) -> None:
        platforms = [option for tag in self._target.platforms for option in ("--platform", tag)]
        command: Sequence[str] = (
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--target",
            str(folder),
            "--no-compile",
            "--only-binary=:all:",
            "--implementation",
            "cp",
            "--python-version",
            self._target.python,
            *platforms,
            *arguments,
        )
        ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
        if ran.returncode:
            raise RuntimeError(f"the functions' packages can't be installed:\n{ran.stderr.strip()}")


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if not any(path.match(pattern) for pattern in _NOT_SOURCES):
            if path.is_dir():
                yield from _files(path)
            else:
                yield path


def has_requirements(file: Path) -> bool:
    """Say whether a file of requirements names any."""
    return file.is_file() and any(
        line.strip() and not line.lstrip().startswith("#") for line in file.read_text().splitlines()
    )


def _without_hashes(lock: str) -> str:
    lines = (line.strip().removesuffix("\\").strip() for line in lock.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith(("#", "--hash")))
