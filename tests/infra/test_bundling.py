"""The functions' asset: built without Docker, for the right processor, and able to start by itself."""

import json
import marshal
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path
from typing import Final

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_dynamodb as dynamodb
from packaging.tags import platform_tags

from dropslot.core import mapping
from dropslot_infra.bundling import lambda_code
from dropslot_infra.function import RUNTIME
from dropslot_infra.lambda_asset import LEFT_OUT, LambdaAsset, Target
from dropslot_infra.sweep import ScheduledSweep
from tests.infra.synthesis import PROJECT

HANDLERS: Final = (mapping.STREAM_HANDLER, mapping.SWEEP_HANDLER)
FEEDBACK_HANDLERS: Final = (mapping.SOCKET_HANDLER, mapping.NOTIFY_HANDLER)
#: A quarter above the first build; Lambda's own limit is 250 MB.
LIMIT_MB: Final = 1.5
AARCH64: Final = 183
HERE: Final = Target(python=f"{sys.version_info.major}.{sys.version_info.minor}", platforms=tuple(platform_tags()))
#: Imports functions with nothing else to import from than Python itself and the asset.
IMPORT_ALONE: Final = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
functions = [target.rpartition(".") for target in sys.argv[2:]]
found = [callable(getattr(importlib.import_module(module), name)) for module, _, name in functions]
names = ("dropslot", "botocore", "msgspec", *(module for module, _, _ in functions))
origins = [sys.modules[each].__spec__.origin for each in names if each in sys.modules]
print(json.dumps([found, origins]))
"""


@pytest.fixture(scope="module")
def for_lambda(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The asset as it is deployed."""
    return built(LambdaAsset(PROJECT, Target()), tmp_path_factory.mktemp("lambda") / "asset")


@pytest.fixture(scope="module")
def for_here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for this machine, so that it can be run."""
    return built(LambdaAsset(PROJECT, HERE), tmp_path_factory.mktemp("here") / "asset")


@pytest.fixture(scope="module")
def without_app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of functions that run no handler, for this machine."""
    return built(LambdaAsset(PROJECT, HERE, with_app=False), tmp_path_factory.mktemp("without") / "asset")


def built(asset: LambdaAsset, folder: Path) -> Path:
    """Build an asset; where packages can't be had, that fails in CI and skips elsewhere."""
    try:
        asset.build(folder)
    except RuntimeError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))
    return folder


@pytest.mark.parametrize("handler", HANDLERS)
def test_each_handler_imports_from_the_asset_alone(handler: str, for_here: Path) -> None:
    """Given a fresh Python that knows nothing but the asset, the deployed handler and the user's can be imported."""
    assert imported(for_here, handler, "app.handler.handle") == [True, True]


@pytest.mark.parametrize("handler", FEEDBACK_HANDLERS)
def test_feedback_needs_nothing_of_the_users(handler: str, without_app: Path) -> None:
    """Given the asset without handlers, the functions that run none can be imported from it alone."""
    assert not (without_app / "app").exists()
    assert imported(without_app, handler) == [True]


def imported(asset: Path, *functions: str) -> list[bool]:
    """Import functions, each from the asset, and say which can be called."""
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", IMPORT_ALONE, str(asset), *functions],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath},
    )
    assert ran.returncode == 0, ran.stderr
    found, origins = json.loads(ran.stdout)
    assert origins
    assert all(Path(origin).is_relative_to(asset) for origin in origins)
    return list(found)


def test_code_is_compiled_where_it_can_be(for_here: Path, for_lambda: Path) -> None:
    """Given a target with this machine's Python, each module is compiled for it, as it will lie there; else none is."""
    for module in (for_here / "dropslot").rglob("*.py"):
        compiled = Path(cache_from_source(str(module))).read_bytes()
        assert compiled[:4] == MAGIC_NUMBER
        # By the source's hash, which nobody checks: https://peps.python.org/pep-0552/
        assert struct.unpack_from("<I", compiled, 4) == (0b01,)
        assert marshal.loads(compiled[16:]).co_filename == f"/var/task/{module.relative_to(for_here)}"
    same = Target().python == HERE.python
    assert bool(list(for_lambda.rglob("*.pyc"))) is same


def test_compiled_code_is_for_the_functions_processor(for_lambda: Path) -> None:
    """Given the asset that is deployed, each of its libraries is for ARM64 and for the functions' Python."""
    libraries = list(for_lambda.rglob("*.so*"))
    assert libraries
    for library in libraries:
        (machine,) = struct.unpack_from("<H", library.read_bytes(), 18)
        assert machine == AARCH64
        assert f"cpython-{Target().python.replace('.', '')}" in library.name
    assert RUNTIME.name == f"python{Target().python}"


def test_the_asset_holds_only_the_functions_path(for_lambda: Path) -> None:
    """Given what only the container and developers need, none of it is in the asset."""
    assert not [name for name in LEFT_OUT if (for_lambda / "dropslot" / name).exists()]
    packages = {path.name for path in for_lambda.iterdir()}
    assert {"app", "dropslot", "dropslot_stream.py", "dropslot_sweep.py", "msgspec"} <= packages
    assert packages.isdisjoint({"amazon_kclpy", "aws_cdk", "bin", "boto3", "pydantic", "rich", "tests", "typer"})


def test_another_user_may_read_all_of_it(for_lambda: Path) -> None:
    """Given that Lambda runs as somebody else, every file of the asset can be read and every folder entered."""
    for path in for_lambda.rglob("*"):
        assert path.stat().st_mode & 0o005 == (0o005 if path.is_dir() else 0o004)


def test_the_asset_is_small(for_lambda: Path, tell: Callable[[object], None]) -> None:
    """Given the asset's size, it stays below the limit that the first build set."""
    size_mb = (
        sum(file.stat().st_size for file in for_lambda.rglob("*") if file.is_file() and file.suffix != ".pyc") / 1e6
    )
    tell(f"Lambda asset: {size_mb:.1f} MB unpacked, limit {LIMIT_MB} MB")
    assert size_mb <= LIMIT_MB


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the asset is made from."""
    copy = tmp_path / "project"
    for folder in ("app", "lambda", "consumer/dropslot", "requirements"):
        shutil.copytree(PROJECT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def fingerprint(project: Path) -> str:
    """Return the fingerprint of a project's asset."""
    return LambdaAsset(project, Target()).fingerprint()


def test_the_same_sources_give_the_same_asset(project: Path) -> None:
    """Given a copy of the project that was worked in, nothing is deployed anew."""
    (project / "app" / "__pycache__").mkdir()
    (project / "app" / "__pycache__" / "handler.cpython-313.pyc").write_bytes(b"compiled")
    (project / "consumer" / "dropslot" / "runtimes" / "kcl" / "daemon.py").write_text("# only the container has this\n")
    (project / "app" / "handler.py").touch()
    assert fingerprint(project) == fingerprint(PROJECT)


@pytest.mark.parametrize(
    "changed",
    [
        "app/handler.py",
        "app/requirements.txt",
        "consumer/dropslot/core/policy.py",
        "lambda/dropslot_stream.py",
        "requirements/lambda.txt",
    ],
)
def test_a_changed_source_gives_another_asset(changed: str, project: Path) -> None:
    """Given a change of the handlers, the package, an entry point or a lock, the functions are deployed anew."""
    before = fingerprint(project)
    with (project / changed).open("a") as file:
        file.write("\n# changed\n")
    assert fingerprint(project) != before


def test_a_changed_handler_is_nothing_to_feedback(project: Path) -> None:
    """Given a change of the handlers, the functions that run none aren't deployed anew."""
    before = LambdaAsset(project, Target(), with_app=False).fingerprint()
    with (project / "app" / "handler.py").open("a") as file:
        file.write("\n# changed\n")
    assert LambdaAsset(project, Target(), with_app=False).fingerprint() == before


def test_another_target_gives_another_asset() -> None:
    """Given the same sources for another processor, the asset is another."""
    other = LambdaAsset(PROJECT, Target(platforms=("manylinux2014_x86_64",)))
    assert other.fingerprint() != fingerprint(PROJECT)


def test_the_users_requirements_are_met_beside_the_lock(project: Path, for_lambda: Path, tmp_path: Path) -> None:
    """Given a requirement that the lock satisfies too, the asset has the lock's version of it."""
    (project / "app" / "requirements.txt").write_text("msgspec>=0.18\n")
    folder = built(LambdaAsset(project, Target()), tmp_path / "asset")
    assert [path.name for path in folder.glob("msgspec-*")] == [path.name for path in for_lambda.glob("msgspec-*")]


def test_a_requirement_that_contradicts_the_lock_is_an_error(project: Path, for_lambda: Path, tmp_path: Path) -> None:
    """Given a requirement that excludes the lock's version, nothing is built, and pip says why."""
    assert for_lambda.is_dir()  # packages can be had here
    (project / "app" / "requirements.txt").write_text("msgspec<0.18\n")
    with pytest.raises(RuntimeError, match="msgspec"):
        LambdaAsset(project, Target()).build(tmp_path / "asset")


def test_cdk_takes_the_asset_without_docker(
    project: Path, for_lambda: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a machine without Docker, CDK builds the asset here, once for both functions and all synths."""
    assert for_lambda.is_dir()  # packages can be had here
    monkeypatch.setenv("CDK_DOCKER", "no-such-docker")
    first = asset_of_both(project, tmp_path / "out")
    assert (first / "dropslot_stream.py").is_file()
    (first / "marker").touch()
    assert (asset_of_both(project, tmp_path / "out") / "marker").is_file()


def asset_of_both(project: Path, folder: Path) -> Path:
    """Put two functions into a stack and return the one asset that they have."""
    stack = Stack(App(outdir=str(folder)), "alone")
    table = dynamodb.Table.from_table_name(stack, "Table", "requests")
    code = lambda_code(project=project)
    for name in ("One", "Other"):
        ScheduledSweep(stack, name, table=table, code=code)
    (asset,) = folder.glob("asset.*")
    return asset
