"""Calls of DynamoDB on one table, by boto3."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dropslot.adapters.wire.service_error import ServiceError
from dropslot.core.errors import TransientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def make_client(region: str) -> "DynamoDBClient":
    """Return a client that fails fast and never repeats a call: whoever uses the port repeats, and knows when to stop.

    The endpoint and the credentials come from where boto3 looks for them.
    """
    return boto3.client(
        "dynamodb",
        region_name=region,
        config=Config(
            connect_timeout=3,
            read_timeout=10,
            retries={"total_max_attempts": 1},
            max_pool_connections=16,
            parameter_validation=False,
        ),
    )


class Boto3Calls:
    """Calls by a client of boto3, in threads; see `Calls`.

    Args:
        client: a DynamoDB client, closed with this.
        table: name of the table.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self.table: Final = table
        self._client = client
        self._operations: Mapping[str, Callable[..., Any]] = {
            "BatchExecuteStatement": client.batch_execute_statement,
            "BatchGetItem": client.batch_get_item,
            "Query": client.query,
            "UpdateItem": client.update_item,
        }
        self._executor = ThreadPoolExecutor(max_workers=8, thread_name_prefix="dropslot-dynamodb")

    def close(self) -> None:
        """See `Calls.close`."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    async def call(self, operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `Calls.call`."""
        call = partial(self._operations[operation], **arguments)
        try:
            answer: Mapping[str, Any] = await asyncio.get_running_loop().run_in_executor(self._executor, call)
        except ClientError as error:
            response: Mapping[str, Any] = error.response
            told = response.get("Error", {})
            raise ServiceError(
                operation,
                self.table,
                told.get("Code", "unknown"),
                item=response.get("Item"),
                message=told.get("Message", ""),
            ) from error
        except BotoCoreError as error:
            raise TransientError(f"table {self.table}: {error}") from error
        return answer
