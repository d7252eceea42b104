"""The AWS side of pause, resume and lag: the mapping that feeds the Lambda consumer, in each of its states."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dropslot.core import mapping
from dropslot.operate.errors import OutOfReachError
from dropslot.operate.mappings import switch_mappings
from dropslot.operate.target import Choice, Target, opened
from tests.integration.operate.aws import STACK, UUID, Account, a_mapping, arn
from tests.integration.operate.operator import run

UPDATE = "lambda:UpdateEventSourceMapping"
_WRITES = {
    (UPDATE, arn("lambda", f"event-source-mapping:{UUID}")),
    ("dynamodb:PutItem", arn("dynamodb", f"table/{STACK}-requests")),
}
FEEDBACK = a_mapping(
    UUID="f-of-feedback",
    FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)} for pattern in mapping.NOTIFY_FILTERS]},
)
ARCHIVE = a_mapping(UUID="a-of-the-user", FilterCriteria={}, FunctionResponseTypes=[])
#: It takes new requests and reports what fails, as the consumer's does.
SEARCH = a_mapping(
    UUID="s-of-the-user",
    FilterCriteria={"Filters": [{"Pattern": json.dumps({"data": {"eventName": ["INSERT", "REMOVE"]}})}]},
)


def updates(account: Account) -> int:
    """Return how often a mapping was to be changed."""
    return sum(action == UPDATE for action, _ in account.calls)


@contextmanager
def target_of(account: Account, on_aws: pytest.MonkeyPatch) -> Iterator[Target]:
    """Open the pipeline of an account."""
    with account.running():
        on_aws.setenv("AWS_ENDPOINT_URL", account.url)
        with opened(Choice(stack=STACK), os.environ, Path.cwd()) as target:
            yield target


def test_the_consumer_s_mapping_alone_is_switched(on_aws: pytest.MonkeyPatch) -> None:
    """Given feedback's mapping and a user's of the same stream, on other pages, then only the consumer's is off."""
    with Account(dict(FEEDBACK), dict(ARCHIVE), dict(SEARCH), a_mapping()).running() as account:
        account.page = 1
        on_aws.setenv("AWS_ENDPOINT_URL", account.url)
        outcome = run("pause", "--stack", STACK)
        assert (outcome.code, account.states()) == (0, ["Enabled"] * 3 + ["Disabling"]), outcome.all
        assert "the mapping of function shop-ConsumerStream is disabling" in outcome.all
        assert "within minutes; a batch under way ends" in outcome.all
        account.mappings[UUID]["State"] = "Disabled"
        outcome = run("resume", "--stack", STACK)
        assert (outcome.code, account.states()) == (0, ["Enabled"] * 3 + ["Enabling"]), outcome.all
        assert "consumers go on within minutes" in outcome.all
    assert not account.paused


@pytest.mark.parametrize(("state", "enabled"), [("Disabled", False), ("Disabling", False), ("Enabling", True)])
def test_what_is_so_already_is_left(state: str, enabled: bool, on_aws: pytest.MonkeyPatch) -> None:
    """Given a mapping as it is wanted, or on the way there, then it isn't changed: a second pause disturbs nothing."""
    account = Account(a_mapping(State=state))
    with target_of(account, on_aws) as target:
        assert switch_mappings(target, enabled=enabled) == {"shop-ConsumerStream": state}
    assert updates(account) == 0


@pytest.mark.parametrize(("state", "enabled"), [("Creating", False), ("Updating", False), ("Disabling", True)])
def test_a_change_under_way_is_waited_for(state: str, enabled: bool, on_aws: pytest.MonkeyPatch) -> None:
    """Given a mapping that takes no change just now, then it is told again until it does."""
    account = Account(a_mapping(State=state))
    account.troubles[UPDATE] = ["ResourceInUseException"] * 3
    waited: list[float] = []
    with target_of(account, on_aws) as target:
        states = switch_mappings(target, enabled=enabled, wait=waited.append)
    assert states == {"shop-ConsumerStream": "Enabling" if enabled else "Disabling"}
    assert waited == [2.0] * 3


def test_a_change_that_never_ends_is_told(on_aws: pytest.MonkeyPatch) -> None:
    """Given a mapping that takes no change for a minute, then the command ends and says what to do."""
    account = Account(a_mapping(State="Updating"))
    account.troubles[UPDATE] = ["ResourceInUseException"] * 100
    waited: list[float] = []
    with (
        target_of(account, on_aws) as target,
        pytest.raises(OutOfReachError, match=f"mapping {UUID} takes no change, since updating isn't over after 60 s"),
    ):
        switch_mappings(target, enabled=False, wait=waited.append)
    assert sum(waited) == 60


def test_a_mapping_that_goes_meanwhile_feeds_nobody(on_aws: pytest.MonkeyPatch) -> None:
    """Given a mapping that is being deleted, or is gone when it is told, then nothing is wrong."""
    account = Account(a_mapping(State="Deleting"))
    with target_of(account, on_aws) as target:
        assert switch_mappings(target, enabled=False) == {}
    account = Account(a_mapping())
    account.troubles[UPDATE] = ["ResourceNotFoundException"]
    with target_of(account, on_aws) as target:
        assert switch_mappings(target, enabled=False) == {"shop-ConsumerStream": "Deleted"}


def test_throttling_is_sat_out(on_aws: pytest.MonkeyPatch) -> None:
    """Given that Lambda throttles for a moment, then the mapping is switched all the same."""
    account = Account(a_mapping())
    account.troubles[UPDATE] = ["TooManyRequestsException"]
    with target_of(account, on_aws) as target:
        assert switch_mappings(target, enabled=False) == {"shop-ConsumerStream": "Disabling"}
    assert updates(account) == 2


def test_without_a_function_nothing_is_switched(on_aws: pytest.MonkeyPatch) -> None:
    """Given containers, whose stream only feedback's function reads, then a pause is the table's item and no more."""
    with Account(dict(FEEDBACK)).running() as account:
        on_aws.setenv("AWS_ENDPOINT_URL", account.url)
        outcome = run("pause", "--stack", STACK)
    assert (outcome.code, account.paused, updates(account)) == (0, True, 0), outcome.all
    assert "consumers heed it within 10 s" in outcome.all


@pytest.mark.parametrize(
    ("state", "paused", "code", "says"),
    [
        ("Enabled", False, 0, "nothing is wrong"),
        ("Disabled", False, 1, "its mapping is disabled: the function gets nothing"),
        ("Creating", False, 1, "its mapping is creating: the function gets nothing"),
        ("Disabled", True, 0, "dropslot resume ends it"),
        ("Disabling", True, 0, "dropslot resume ends it"),
        ("Enabled", True, 1, "paused, but its mapping is enabled: dropslot pause once more disables it"),
        ("Enabling", True, 1, "paused, but its mapping is enabling: dropslot pause once more disables it"),
        ("Updating", True, 1, "paused, but its mapping is updating: dropslot pause once more disables it"),
    ],
)
def test_lag_tells_of_the_mapping(state: str, paused: bool, code: int, says: str, on_aws: pytest.MonkeyPatch) -> None:
    """Given a mapping that is off, then lag finds that wrong, unless it is a pause: then one that is on is wrong."""
    with Account(dict(FEEDBACK), a_mapping(State=state)).running() as account:
        account.paused = paused
        on_aws.setenv("AWS_ENDPOINT_URL", account.url)
        outcome = run("lag", "--stack", STACK)
    assert outcome.code == code, outcome.all
    assert says in outcome.all


def test_what_is_said_of_a_function_is_kept(on_aws: pytest.MonkeyPatch, compare: Callable[[str, str], None]) -> None:
    """Given a function that consumes, the transcripts of pause, lag and resume, and of a denial, are what is known."""
    with Account(a_mapping()).running() as account:
        on_aws.setenv("AWS_ENDPOINT_URL", account.url)
        transcripts = [_transcript("lag"), _transcript("pause")]
        account.mappings[UUID]["State"] = "Disabled"
        transcripts.append(_transcript("lag"))
        account.mappings[UUID]["State"] = "Enabled"  # by a deployment
        transcripts += [_transcript("lag"), _transcript("pause")]
        account.mappings[UUID]["State"] = "Disabled"
        transcripts.append(_transcript("resume"))
        account.denied = set(_WRITES)
        account.mappings[UUID]["State"] = "Enabled"
        transcripts.append(_transcript("pause", "--reason", "deploying"))
    compare("pause-function", "\n".join(transcripts))


def _transcript(*words: str) -> str:
    outcome = run(*words, "--stack", STACK)
    return f"$ dropslot {' '.join(words)} --stack {STACK}\n{outcome.all}[exit code {outcome.code}]\n"


@pytest.mark.parametrize("denied", ["PutItem", "UpdateEventSourceMapping"])
def test_a_pause_that_is_half_denied_can_be_repeated(denied: str, on_aws: pytest.MonkeyPatch) -> None:
    """Given that one of its two writes is denied, nothing has changed or the mapping is off; later it is completed."""
    with Account(a_mapping()).running() as account:
        on_aws.setenv("AWS_ENDPOINT_URL", account.url)
        account.denied = {call for call in _WRITES if call[0].endswith(denied)}
        assert run("pause", "--stack", STACK).code == 3
        assert (account.paused, account.states()) == (False, ["Disabling" if denied == "PutItem" else "Enabled"])
        account.denied = set()
        assert run("pause", "--stack", STACK).code == 0
        assert (account.paused, account.states()) == (True, ["Disabling"])
