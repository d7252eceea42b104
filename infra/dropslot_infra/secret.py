"""Finds a secret of Secrets Manager by what an operator wrote down for it."""

from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct


def find_secret(scope: Construct, variable: str, name_or_arn: str) -> secretsmanager.ISecret:
    """Refer to a secret that exists already.

    Args:
        scope: the parent of the reference.
        variable: which it is for; names the reference.
        name_or_arn: the secret's name, or its whole ARN with the six characters at the end.
    """
    if name_or_arn.startswith("arn:"):
        return secretsmanager.Secret.from_secret_complete_arn(scope, f"Secret{variable}", name_or_arn)
    return secretsmanager.Secret.from_secret_name_v2(scope, f"Secret{variable}", name_or_arn)
