"""A plain handler over the table's twin in memory, on any tree. A request is named by its change record."""

from bench_flow import serve  # type: ignore[import-not-found]  # beside it, where it runs
from bench_twins import Twins  # type: ignore[import-not-found]  # as above

twins = Twins({})


def check(named: list[str]) -> None:
    """See that all are done."""
    assert len(twins.items()) == len(named)


serve(twins.run, before=twins.put, after=check)
twins.close()
