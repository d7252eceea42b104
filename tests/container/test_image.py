"""What is in the image, and what is not."""

import sys
from typing import Final

import pytest

from tests.container.image import STATE_DIR, inspect_image, run_shell

#: The first build had 433 MB on the stand-in, of which Java is 194 and the packages with KCL's jars are 96.
SIZE_LIMIT_BYTES: Final = 480_000_000


def test_it_is_no_larger_than_it_has_to_be(image: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Given the image, when its size is taken, then it is below the limit set by the first build."""
    size_bytes = inspect_image()["Size"]

    with capsys.disabled():
        sys.stdout.write(f"\n{image}; the limit is {SIZE_LIMIT_BYTES // 1_000_000} MB\n")
    assert size_bytes <= SIZE_LIMIT_BYTES


def test_it_starts_the_consumer_as_a_numeric_user(image: str) -> None:
    """Given the image, when its configuration is read, then it runs `dropslot consume` without a shell, not as root."""
    assert image
    described = inspect_image()
    config = described["Config"]

    assert config["User"] == "10001:10001", "a name could be root's: an orchestrator that forbids root wants a number"
    assert config["Entrypoint"] == ["dropslot", "consume"]
    assert described["Healthcheck"]["Test"] == ["CMD", "dropslot", "healthy"]
    assert set(config["Volumes"]) == {"/var/lib/dropslot", "/tmp"}


@pytest.mark.parametrize("mounts", [(), ("--tmpfs", STATE_DIR, "--tmpfs", "/tmp")], ids=["volumes", "tmpfs"])
def test_it_can_write_where_it_must_on_a_read_only_root(image: str, mounts: tuple[str, ...]) -> None:
    """Given a read-only root, when the image's user writes, then its two folders take it, whatever is mounted there."""
    assert image

    wrote = run_shell(f"touch {STATE_DIR}/x /tmp/x && ! touch /x", *mounts)

    assert wrote.returncode == 0, wrote.stderr
