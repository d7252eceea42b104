"""Hands a request in, waits for its outcome and prints it as JSON.

Example: python examples/client/submit.py --url http://127.0.0.1:8080 orders @order.json
"""

import argparse
import asyncio
import json
import os
import sys
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from dropslot_client import DONE, Authorize, Client, RefusedError, State


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit code: 0 done, 1 failed or unknown, 2 refused.
    """
    options = _parser().parse_args(arguments)
    body = Path(options.body[1:]).read_bytes() if options.body.startswith("@") else options.body.encode()
    # Before the request is sent: whoever stops this must be able to go on with the same key.
    sys.stderr.write(f"key: {options.key}\n")
    try:
        state = asyncio.run(_run(options, body))
    except RefusedError as refused:
        sys.stderr.write(f"refused: {refused}\n")
        return 2
    sys.stdout.write(json.dumps(asdict(state)) + "\n")
    return 0 if state.status == DONE else 1


async def _run(options: argparse.Namespace, body: bytes) -> State:
    async with Client(options.url, websocket_url=options.websocket_url, authorize=_authorize(options)) as client:
        state = await client.submit(options.type, body, key=options.key, content_type=options.content_type)
        return state if state.settled else await client.outcome(options.type, state.id)


def _authorize(options: argparse.Namespace) -> Authorize | None:
    if options.sign:
        import boto3  # noqa: PLC0415 - only those who sign need AWS's SDK

        from dropslot_signature import signed_by  # noqa: PLC0415

        session = boto3.Session()
        credentials = session.get_credentials()
        if credentials is None or session.region_name is None:
            raise SystemExit("--sign needs AWS credentials and AWS_DEFAULT_REGION")
        return signed_by(credentials, session.region_name)
    # From the environment: a command's arguments are for all to see.
    key = os.environ.get("DROPSLOT_API_KEY")
    return (lambda *_: {"x-api-key": key}) if key is not None else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Hand a request in and print its outcome.")
    parser.add_argument("--url", required=True, help="base URL of the API")
    parser.add_argument("--websocket-url", help="where outcomes are pushed; without it, the API is asked")
    parser.add_argument("--key", default=str(uuid.uuid4()), help="same key, same request: give it to go on with one")
    parser.add_argument("--content-type", default="application/json")
    parser.add_argument("--sign", action="store_true", help="sign with the environment's AWS credentials")
    parser.add_argument("type", help="type of request, a path of the API")
    parser.add_argument("body", help="@FILE, or the body itself")
    return parser


if __name__ == "__main__":
    sys.exit(main())
