"""The table of journals: DynamoDB, by boto3 or without it, and its memory twin."""
