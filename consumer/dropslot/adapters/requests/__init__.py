"""The table of requests: DynamoDB and its memory twin."""
