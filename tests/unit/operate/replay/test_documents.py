"""The failure destination's documents as a source."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.local.mapping.environment import FunctionSpec
from dropslot.local.mapping.event import ShardRecord
from dropslot.local.mapping.failures import FailureFolder
from dropslot.local.mapping.verdict import RETRIES_EXHAUSTED, Batch
from dropslot.operate.errors import OutOfReachError
from dropslot.operate.replay.documents import DocumentSource
from dropslot.operate.replay.source import Record
from dropslot.operate.target import Target

ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/requests"
SHARD = "shardId-000000000000"


def target() -> Target:
    """Return a pipeline on AWS that can't be asked for anything."""

    def make_client(service: str, _: object) -> Any:
        raise AssertionError(service)

    names: dict[str, Any] = dict.fromkeys(("account", "region", "table", "table_arn", "journal", "stream"), "x")
    return Target(running=None, application="x", make_client=make_client, **names)


def keep(folder: Path, *numbers: int) -> Path:
    """Give a batch up, as the local mapping does."""
    function = FunctionSpec(
        name="stream",
        handler="dropslot_stream.handler",
        environment={"AWS_REGION": "us-east-1"},
        timeout_seconds=60,
        memory_mib=512,
    )
    records = tuple(
        ShardRecord.of(
            shard_id=SHARD,
            stream_arn=ARN,
            sequence_number=str(number),
            partition_key="k",
            data=b"\x00%d" % number,
            arrived_epoch_seconds=1_760_000_000 + number,
        )
        for number in numbers
    )
    failures = FailureFolder(folder, mapping_id="m", function=function, stream_arn=ARN)
    now = datetime(2026, 11, 24, 3, numbers[0] % 60, tzinfo=UTC)
    return failures.keep(Batch(records=records), shard_id=SHARD, condition=RETRIES_EXHAUSTED, answer=None, now=now)


def read(source: DocumentSource, lane: str, *, after: str | None = None) -> list[Record]:
    """Return all records of a lane."""

    async def all_of_it() -> list[Record]:
        return [record async for page in source.pages(lane, after=after) for record in page]

    return asyncio.run(all_of_it())


def test_documents_are_read_in_the_order_of_their_shards(tmp_path: Path) -> None:
    """Given documents in a folder, each is a lane, the oldest first, and drafts are none."""
    later, earlier = keep(tmp_path, 7, 8), keep(tmp_path, 3)
    (tmp_path / ".draft").write_text("{")
    source = DocumentSource(str(tmp_path), target(), say=print)

    assert source.lanes() == [str(earlier), str(later)]
    assert read(source, str(later)) == [
        Record(sequence_number=str(number), arrived_epoch_ms=1_760_000_000_000 + number * 1000, data=b"\x00%d" % number)
        for number in (7, 8)
    ]


def test_one_document_can_be_named_and_gone_on_with(tmp_path: Path) -> None:
    """Given a file, it is the only lane, and what was read of it before is left out."""
    file = keep(tmp_path, 98, 99, 100)
    source = DocumentSource(str(file), target(), say=print)

    assert source.lanes() == [str(file)]
    assert [record.sequence_number for record in read(source, str(file), after="99")] == ["100"]
    assert read(source, str(file), after="100") == []


@pytest.mark.parametrize("content", ["", "{}", '{"payload": "{}"}', '{"payload": 5}', '{"KinesisBatchInfo": {}}'])
def test_what_is_no_document_is_said_once(tmp_path: Path, content: str) -> None:
    """Given a file of something else, it is named once, counted, and holds no records."""
    file = tmp_path / "notes"
    file.write_text(content)
    said: list[str] = []
    source = DocumentSource(str(file), target(), say=said.append)

    assert [read(source, str(file)), read(source, str(file))] == [[], []]
    assert said == [f"{file} is no document of an S3 failure destination, left out"]
    assert source.unreadable == {str(file)}


def test_nothing_there_is_told(tmp_path: Path) -> None:
    """Given an empty folder, it says so."""
    with pytest.raises(ConfigurationError, match="there is no document at"):
        DocumentSource(str(tmp_path), target(), say=print).lanes()


def test_a_document_that_goes_in_between_is_out_of_reach(tmp_path: Path) -> None:
    """Given a document that is taken away when others were replayed already, it isn't said that nothing was done."""
    document = keep(tmp_path, 3)
    source = DocumentSource(str(tmp_path), target(), say=print)
    lanes = source.lanes()
    document.unlink()

    with pytest.raises(OutOfReachError, match="can't be read"):
        read(source, *lanes)
