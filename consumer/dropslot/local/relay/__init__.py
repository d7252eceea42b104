"""The relay carries the table's changes into the stream, as AWS's Kinesis Data Streams for DynamoDB does."""
