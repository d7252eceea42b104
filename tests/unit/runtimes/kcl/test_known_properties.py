"""The table of property names against the jar it was made from."""

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.runtimes.kcl.jars import find_jars
from dropslot.runtimes.kcl.known_properties import CONFIGURATION, known_properties
from tests.unit.runtimes.kcl.class_file import bean_properties


def test_every_name_of_the_jar_is_known_and_no_other() -> None:
    """A new version of KCL that takes other names is noticed here."""
    try:
        jars = find_jars("")
    except ConfigurationError as missing:
        pytest.skip(str(missing))
    jar = jars.folder / f"amazon-kinesis-client-multilang-{jars.version}.jar"
    found = bean_properties(jar, "software.amazon.kinesis.multilang.config.MultiLangDaemonConfiguration")
    assert found == known_properties(jars.version) - {"executableName", "maxActiveThreads", "processingLanguage"}


def test_later_versions_know_more() -> None:
    """KCL 3.5 can move everything into one table."""
    assert "migrateAllEntitiesToLeaseTable" not in known_properties("3.1.3")
    assert "migrateAllEntitiesToLeaseTable" in known_properties("3.5.0")
    assert known_properties("3.10.1") > CONFIGURATION
