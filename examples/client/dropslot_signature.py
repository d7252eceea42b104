"""Signs calls of the client with AWS credentials, as an API with auth `iam` wants it; needs botocore."""

from collections.abc import Mapping

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from dropslot_client import Authorize


def signed_by(credentials: Credentials, region: str) -> Authorize:
    """Return what proves who calls, by a signature (SigV4).

    Args:
        credentials: such as ``boto3.Session().get_credentials()``, which renew themselves where they are temporary.
        region: of the API.
    """

    def authorize(method: str, url: str, body: bytes) -> Mapping[str, str]:
        request = AWSRequest(method=method, url=url, data=body)
        SigV4Auth(credentials.get_frozen_credentials(), "execute-api", region).add_auth(request)
        return dict(request.headers.items())

    return authorize
