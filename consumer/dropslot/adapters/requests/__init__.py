"""The table of requests: DynamoDB, by boto3 or without it, and its memory twin."""
