"""The table of connections: DynamoDB, without an SDK, and its memory twin."""
