"""Who may call the API as CDK deploys it with auth, and whose requests a caller reaches: tried over HTTP."""

import hashlib
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import botocore.auth
import httpx
import pytest
from botocore.compat import get_current_datetime

from dropslot.local.clients import REGION
from dropslot.local.gateway.callers import RoleSession
from tests.contract.http.callers import Signed
from tests.contract.http.population import Population, signed_by
from tests.contract.http.stack import put_run, step

SOUP = '{"dish": "soup"}'
STEW = '{"dish": "stew"}'


def _key() -> str:
    return uuid.uuid4().hex


def _send(api: Any, key: str, auth: httpx.Auth | None, body: str = SOUP, **headers: str) -> httpx.Response:
    headers = {"Content-Type": "application/json", "Idempotency-Key": key, **headers}
    answer: httpx.Response = api.http.put("/orders", content=body, headers=headers, auth=auth)
    return answer


def _is_error(answer: httpx.Response, status: int, error: str) -> None:
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text


def test_who_proves_nothing_is_refused(guarded: Any, signed: Any) -> None:
    """Given no signature or key, neither a send nor a read gets through, whether the id exists or not."""
    taken, free = _key(), _key()
    assert _send(guarded, taken, guarded.mine).status_code == 202
    # To unsigned calls API Gateway says what it says of unknown paths.
    refusal = (404, "not_found") if guarded is signed else (403, "forbidden")
    _is_error(_send(guarded, free, None), *refusal)
    for key in (taken, free):
        _is_error(guarded.http.get(f"/orders/{key}"), *refusal)
    assert guarded.stored(free) == []


def test_who_is_unknown_is_refused(guarded: Any) -> None:
    """Given credentials that nobody has been given, the answer is 403 and nothing is stored."""
    key = _key()
    _is_error(_send(guarded, key, guarded.unknown), 403, "forbidden")
    _is_error(guarded.http.get(f"/orders/{key}", auth=guarded.unknown), 403, "forbidden")
    assert guarded.stored(key) == []


def test_a_caller_is_known_by_what_stays(guarded: Any) -> None:
    """Given a caller, its request is stored under its role's or key's id, which it doesn't get to see."""
    key = _key()
    answer = _send(guarded, key, guarded.mine)
    assert answer.status_code == 202
    assert answer.json() == {"id": key, "status": "pending"}
    assert guarded.caller not in str(answer.headers)
    assert guarded.stored(key) == [f"{guarded.caller}#orders#{key}"]


def test_a_caller_neither_reads_nor_meets_another_s_requests(guarded: Any) -> None:
    """Given another caller with the same key and another body, it finds nothing, and then has a request of its own."""
    key = _key()
    assert _send(guarded, key, guarded.mine, SOUP).status_code == 202
    _is_error(guarded.http.get(f"/orders/{key}", auth=guarded.theirs), 404, "unknown_id")
    assert _send(guarded, key, guarded.theirs, STEW).status_code == 202
    assert len(guarded.stored(key)) == 2
    for auth, body in ((guarded.mine, SOUP), (guarded.theirs, STEW)):
        assert _send(guarded, key, auth, body).status_code == 202
        assert guarded.http.get(f"/orders/{key}", auth=auth).json()["status"] == "pending"
    _is_error(_send(guarded, key, guarded.mine, STEW), 422, "key_reused")


def test_a_caller_does_not_see_another_s_steps(guarded: Any) -> None:
    """Given steps of a caller's request, then it sees them, also from a new session, and nobody else does."""
    key = _key()
    assert _send(guarded, key, guarded.mine).status_code == 202
    assert _send(guarded, key, guarded.theirs).status_code == 202
    put_run(guarded.dynamodb, guarded.table, f"{guarded.caller}#orders#{key}", step("charge", 5))
    path = f"/orders/{key}/steps"
    for auth in (guarded.mine, guarded.again):
        assert guarded.http.get(path, auth=auth).json()["steps"] == [{"name": "charge", "at": 5}]
    _is_error(guarded.http.get(path, auth=guarded.theirs), 404, "no_steps")
    _is_error(guarded.http.get(path, auth=guarded.unknown), 403, "forbidden")
    assert guarded.http.get(path).status_code in {403, 404}


def test_a_redeployed_caller_finds_its_own(guarded: Any) -> None:
    """Given a new session of the same role, or the same API key, the caller's requests are still its own."""
    key = _key()
    assert _send(guarded, key, guarded.mine).status_code == 202
    assert guarded.http.get(f"/orders/{key}", auth=guarded.again).json()["id"] == key
    assert _send(guarded, key, guarded.again).status_code == 202
    _is_error(_send(guarded, key, guarded.again, STEW), 422, "key_reused")
    assert len(guarded.stored(key)) == 1


def test_a_generated_id_is_the_caller_s_too(guarded: Any) -> None:
    """Given a request without a key, its generated id leads its caller to it, and nobody else."""
    answer = guarded.http.post("/orders", content=SOUP, headers={"Content-Type": "application/json"}, auth=guarded.mine)
    place = answer.headers["location"]
    assert guarded.http.get(place, auth=guarded.again).json()["id"] == answer.json()["id"]
    _is_error(guarded.http.get(place, auth=guarded.theirs), 404, "unknown_id")


def test_an_open_type_stays_open(guarded: Any) -> None:
    """Given a type that is open, anybody sends and reads, and credentials make no difference, even wrong ones."""
    key = _key()
    headers = {"Content-Type": "text/plain", "Idempotency-Key": key}
    for auth in (None, guarded.mine, guarded.unknown):
        assert guarded.http.put("/notes", content="n", headers=headers, auth=auth).status_code == 202
        assert guarded.http.get(f"/notes/{key}", auth=auth).json()["id"] == key
    assert guarded.stored(key) == [f"-#notes#{key}"]


def _signed_by_other_secret(session: RoleSession) -> httpx.Auth:
    return signed_by(RoleSession(access_key=session.access_key, secret_key="x", role="r", role_id="r", name="n"))


def _for_other_region(session: RoleSession) -> httpx.Auth:
    return signed_by(session, region="eu-west-1")


class _Changed(Signed):
    """Signs a call, and then changes it under way."""

    def __init__(
        self, session: RoleSession, headers: Mapping[str, str], change: Callable[[httpx.Request], httpx.Request]
    ) -> None:
        super().__init__(signed_by(session)._credentials, REGION, {"x-amz-meta-shop": "mine", **headers})
        self._change = change

    def auth_flow(self, request: httpx.Request) -> Any:
        """Sign and change."""
        yield self._change(next(super().auth_flow(request)))


def _changed(*, signing: Mapping[str, str] | None = None, **changes: Any) -> Callable[[RoleSession], httpx.Auth]:
    def change(request: httpx.Request) -> httpx.Request:
        headers = {**request.headers, **changes.get("headers", {})}
        headers.pop("content-length", None)
        return httpx.Request(
            changes.get("method", request.method),
            request.url.join(changes.get("path", "")),
            content=changes.get("content", request.content),
            headers=headers,
        )

    return lambda session: _Changed(session, signing or {}, change)


@pytest.mark.parametrize(
    "auth_of",
    [
        _signed_by_other_secret,
        _for_other_region,
        _changed(content=STEW),
        # The header says which body was signed, and is signed itself.
        _changed(content=STEW, signing={"x-amz-content-sha256": hashlib.sha256(SOUP.encode()).hexdigest()}),
        _changed(signing={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}),
        _changed(method="POST"),
        _changed(path="?x=1"),
        _changed(headers={"x-amz-meta-shop": "theirs"}),
        _changed(headers={"host": "example.com"}),
        _changed(headers={"authorization": "Bearer token"}),
        _changed(headers={"authorization": "AWS4-HMAC-SHA256 Credential=x"}),
    ],
)
def test_a_signature_is_for_one_secret_and_one_call(
    signed: Any, population: Population, auth_of: Callable[[RoleSession], httpx.Auth]
) -> None:
    """Given a signature made with another secret or of another call, the answer is 403 and nothing is stored."""
    key = _key()
    _is_error(_send(signed, key, auth_of(population.mine)), 403, "forbidden")
    assert signed.stored(key) == []


def test_a_changed_call_would_pass_unchanged(signed: Any, population: Population) -> None:
    """Given a signed header and no change under way, the call is accepted: the refusals above are for the change."""
    assert _send(signed, _key(), _changed()(population.mine)).status_code == 202


@pytest.mark.parametrize(("minutes", "status"), [(-6, 403), (-4, 202), (4, 202), (6, 403)])
def test_a_signature_holds_for_minutes(signed: Any, minutes: int, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a client whose clock is wrong, five minutes are forgiven and more are not."""
    signed_at = get_current_datetime() + timedelta(minutes=minutes)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: signed_at)
    assert _send(signed, _key(), signed.mine).status_code == status


def test_an_api_key_does_not_change_who_signed(signed: Any, population: Population) -> None:
    """Given a signed call that also carries somebody's API key, it is still the signer's."""
    key = _key()
    assert _send(signed, key, signed.mine, **{"x-api-key": population.their_key.value}).status_code == 202
    assert signed.stored(key) == [f"{signed.caller}#orders#{key}"]
