"""Handlers that the project hasn't are told without running anything of it."""

from pathlib import Path

import pytest

from dropslot_infra.handler_source import handler_fault


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose modules can't be imported here, and needn't."""
    (tmp_path / "app" / "shop").mkdir(parents=True)
    (tmp_path / "app" / "requirements.txt").write_text("# nothing\n")
    (tmp_path / "app" / "handler.py").write_text("import nowhere\n\nasync def take(request): ...\n\nput = take\n")
    (tmp_path / "app" / "shop" / "__init__.py").write_text("from nowhere import sell, lend as rent\n")
    (tmp_path / "app" / "anything.py").write_text("from nowhere import *\n")
    (tmp_path / "app" / "broken.py").write_text("x = 1\ndef take(:\n")
    return tmp_path


@pytest.mark.parametrize(
    "target", ["app.handler:take", "app.handler:put", "app.shop:sell", "app.shop:rent", "app.anything:whatever"]
)
def test_a_handler_that_is_there_is_taken(project: Path, target: str) -> None:
    """Given a function of the project, however its module comes by it, then nothing is said."""
    assert handler_fault(target, project) == ""


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("app.handler:give", "app.handler:give: app/handler.py has no give"),
        ("app.shop:lend", "app.shop:lend: app/shop/__init__.py has no lend"),
        ("app.nobody:take", "app.nobody:take: there is no app/nobody.py"),
        ("app.broken:take", "app.broken:take: app/broken.py:2 is no Python: "),
        ("nope.handler:take", "nope.handler:take isn't deployed: only app/ is"),
    ],
)
def test_a_handler_that_is_not_there_is_told(project: Path, target: str, told: str) -> None:
    """Given a module or function that won't be there, then the fault says where it was looked for."""
    assert handler_fault(target, project).startswith(told)


def test_a_package_may_bring_handlers(project: Path) -> None:
    """Given requirements of the app's own, then a handler from elsewhere may come with them."""
    (project / "app" / "requirements.txt").write_text("shop-handlers==1.0\n")
    assert handler_fault("shop_handlers:take", project) == ""
