"""The same with Powertools' idempotency: each record is claimed before it is handled, and marked after it."""

import json
from typing import Any

import boto3
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from bench_outcome import settle  # type: ignore[import-not-found]  # beside it, where it runs

client = boto3.client("dynamodb")
processor = BatchProcessor(event_type=EventType.KinesisDataStreams)
config = IdempotencyConfig(event_key_jmespath="[id.S, accepted_at.N]")
persistence = DynamoDBPersistenceLayer(table_name="idempotency", boto3_client=client)


@idempotent_function(  # type: ignore[untyped-decorator]
    data_keyword_argument="image", config=config, persistence_store=persistence
)
def work(*, image: dict[str, Any]) -> None:
    """Read a body, do nothing with it, and write the outcome."""
    json.loads(image["request"]["S"])
    settle(client, image)


def record_handler(record: KinesisStreamRecord) -> None:
    """Handle a record once."""
    work(image=record.kinesis.data_as_json()["dynamodb"]["NewImage"])


def handler(event: dict[str, Any], context: Any) -> Any:
    """Process a batch."""
    config.register_lambda_context(context)
    return process_partial_response(event=event, record_handler=record_handler, processor=processor, context=context)
