"""A function with the batch processor of Powertools for AWS Lambda, as its documentation has it."""

import json
from typing import Any

import boto3
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord
from bench_outcome import settle  # type: ignore[import-not-found]  # beside it, where it runs

client = boto3.client("dynamodb")
processor = BatchProcessor(event_type=EventType.KinesisDataStreams)


def record_handler(record: KinesisStreamRecord) -> None:
    """Read a record's body, do nothing with it, and write its outcome."""
    image = record.kinesis.data_as_json()["dynamodb"]["NewImage"]
    json.loads(image["request"]["S"])
    settle(client, image)


def handler(event: dict[str, Any], context: Any) -> Any:
    """Process a batch."""
    return process_partial_response(event=event, record_handler=record_handler, processor=processor, context=context)
