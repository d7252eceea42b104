"""Reads all shards of a stream, each from the moment it may be read: parents before their children."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from dropslot.local.mapping.positions import SHARD_END, Positions
from dropslot.local.mapping.shard import ShardReader

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

_LIST_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 0.5


class OpenShard(Protocol):
    """Makes the reader of a shard."""

    def __call__(self, shard_id: str, *, has_parent: bool) -> ShardReader:
        """Return a reader; a shard has a parent if it came of another by a reshard."""


class Poller:
    """The mapping's side towards the stream.

    Args:
        client: of Kinesis.
        stream: name of the stream.
        positions: how far each shard is.
        open_shard: makes the reader of a shard.
    """

    def __init__(
        self,
        client: "KinesisClient",
        stream: str,
        positions: Positions,
        open_shard: OpenShard,
    ) -> None:
        self._client = client
        self._stream = stream
        self._positions = positions
        self._open_shard = open_shard
        self._running: dict[str, asyncio.Task[None]] = {}
        self._readers: dict[str, ShardReader] = {}

    @property
    def shards(self) -> tuple[str, ...]:
        """The shards that are being read."""
        return tuple(sorted(shard_id for shard_id in self._running if self._readers[shard_id].reading))

    async def run(self) -> None:
        """Read until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                for shard in await self._readable():
                    shard_id = shard["ShardId"]
                    reader = self._open_shard(shard_id, has_parent="ParentShardId" in shard)
                    self._readers[shard_id] = reader
                    self._running[shard_id] = group.create_task(reader.run())
                if self._running:
                    await asyncio.wait(
                        self._running.values(), timeout=_LIST_SECONDS, return_when=asyncio.FIRST_COMPLETED
                    )
                else:
                    await asyncio.sleep(_RETRY_SECONDS)
                self._running = {shard_id: task for shard_id, task in self._running.items() if not task.done()}

    async def _readable(self) -> list[Mapping[str, Any]]:
        try:
            shards = await asyncio.to_thread(self._list)
        except (ClientError, BotoCoreError):
            return []  # its server is away; the readers say so
        ended = {shard["ShardId"] for shard in shards if self._positions.get(shard["ShardId"]) == SHARD_END}
        open_ids = set(readable(shards, ended)) - self._running.keys()
        return [shard for shard in shards if shard["ShardId"] in open_ids]

    def _list(self) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        arguments: dict[str, Any] = {"StreamName": self._stream}
        while True:
            answer = self._client.list_shards(**arguments)
            found += answer["Shards"]
            if "NextToken" not in answer:
                return found
            arguments = {"NextToken": answer["NextToken"]}


def readable(shards: Sequence[Mapping[str, Any]], ended: set[str]) -> list[str]:
    """Return the shards that may be read now: not ended, and with no parent in front that hasn't.

    Args:
        shards: as ListShards tells them; a parent that isn't listed any more is past its retention.
        ended: shards of which everything is resolved.
    """
    known = {shard["ShardId"] for shard in shards}
    return [
        shard["ShardId"]
        for shard in shards
        if shard["ShardId"] not in ended
        and not any(
            parent in known and parent not in ended
            for parent in (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
        )
    ]
