"""The gateway as a process of its own: `python -m dropslot.local.gateway --dynamodb-endpoint URL`."""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvicorn

from dropslot.api.access import with_auth, with_cors
from dropslot.api.loader import load
from dropslot.api.settings import ApiSettings
from dropslot.core.errors import ConfigurationError
from dropslot.local.gateway import log
from dropslot.local.gateway.app import create_app
from dropslot.local.gateway.callers import Callers
from dropslot.local.ports import LOOPBACK
from dropslot.local.serving import config, listen, loopback, serve

_LOG = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT.

    Returns:
        The process's exit code: 0 after a signal, 2 when the settings are wrong, 1 when the port can't be had.
    """
    options = _parser().parse_args(arguments)
    log.configure(options.log_level)
    try:
        callers = Callers.load(options.callers) if options.callers is not None else Callers()
        app = create_app(_document(options), dynamodb_endpoint=options.dynamodb_endpoint, callers=callers)
    except ConfigurationError as error:
        for fault in error.faults:
            _LOG.error("configuration_error: %s", fault)
        return 2
    try:
        listener = listen(options.host, options.port)
    except OSError as error:
        _LOG.error("port_unavailable: %s", error.strerror)
        return 1
    _LOG.info("listening", extra={"url": f"http://{options.host}:{listener.getsockname()[1]}"})
    serve(uvicorn.Server(config(app)), listener)
    _LOG.info("stopped")
    return 0


def _document(options: argparse.Namespace) -> dict[str, Any]:
    if options.openapi is not None:
        document: dict[str, Any] = json.loads(options.openapi.read_text(encoding="utf-8"))
        return document
    journal = options.journal if options.journal is not None else f"{options.table}-journal"
    settings = ApiSettings.load(options.config)
    document = load(settings, table=options.table, journal=journal, region=options.region)
    document = with_auth(document, options.auth)
    return with_cors(document, options.cors_origin) if options.cors_origin else document


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dropslot-gateway", description=__doc__)
    parser.add_argument("--dynamodb-endpoint", required=True, help="URL of DynamoDB Local")
    parser.add_argument("--config", type=Path, default=Path("dropslot.toml"), help="what the API accepts")
    parser.add_argument("--openapi", type=Path, help="serve this rendered document (JSON) instead of --config")
    parser.add_argument("--auth", default="none", choices=("none", "iam", "api_key"), help="who may call, for --config")
    parser.add_argument("--cors-origin", default="", help="origin of the pages that may call, for --config")
    parser.add_argument("--callers", type=Path, help="who may call what the document wants signed or with a key (TOML)")
    parser.add_argument("--table", default="requests", help="table of requests, for --config")
    parser.add_argument("--journal", help="table of finished steps, for --config; <table>-journal if not given")
    parser.add_argument("--region", default="us-east-1", help="region the calls are signed for, for --config")
    parser.add_argument("--host", type=loopback, default=LOOPBACK, help="loopback address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one and logs it")
    parser.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
