"""Clients in a page for an API that wants calls signed: the credentials stay outside of the page."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from playwright.sync_api import Page

from dropslot.local.clients import REGION
from dropslot.local.gateway.callers import RoleSession
from dropslot_client import Authorize
from dropslot_signature import signed_by

_EXPIRES_SECONDS: Final = 60

_CLIENT: Final = """async ([name, url]) => {
    const { Client } = await import("/client.js");
    const headersOf = window[name + "Headers"];
    const signing = async (url, { method = "GET", body = "", headers, ...rest }) => {
        const proof = await headersOf(method, url, body);
        return fetch(url, { ...rest, method, body: body || null, headers: { ...headers, ...proof } });
    };
    window[name] = new Client({ url, websocketUrl: window[name + "Socket"], fetch: signing });
}"""


def make_clients(tab: Page, sessions: Mapping[str, RoleSession], *, url: str, websocket_url: str | None) -> None:
    """Make a client for each caller, under its name, in a page that is served beside `client.js`."""
    for name, session in sessions.items():
        tab.expose_function(f"{name}Headers", partial(_headers, session))
        tab.expose_function(f"{name}Socket", partial(_presigned, session, websocket_url))
        tab.evaluate(_CLIENT, [name, url])


def signer(session: RoleSession) -> Authorize:
    """Return what proves that a session calls."""
    return signed_by(Credentials(session.access_key, session.secret_key), REGION)


def _headers(session: RoleSession, method: str, url: str, body: str) -> Mapping[str, str]:
    return signer(session)(method, url, body.encode())


def _presigned(session: RoleSession, url: str | None) -> str:
    request = AWSRequest(method="GET", url=url)
    credentials = Credentials(session.access_key, session.secret_key)
    SigV4QueryAuth(credentials, "execute-api", REGION, _EXPIRES_SECONDS).add_auth(request)
    return str(request.url)
