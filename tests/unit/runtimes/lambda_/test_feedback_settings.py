"""Variables of the functions of feedback."""

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot.runtimes.lambda_.feedback import Feedback
from dropslot.runtimes.lambda_.feedback_settings import FeedbackSettings

RIGHT = {
    "DROPSLOT_TABLE": "requests",
    "DROPSLOT_CONNECTIONS": "connections",
    "DROPSLOT_CALLBACK_URL": "https://a1b2c3.execute-api.eu-central-1.amazonaws.com/v1",
    "DROPSLOT_AUTH": "iam",
    "DROPSLOT_CORS_ORIGIN": "https://shop.example",
    "AWS_REGION": "eu-central-1",
}


def test_all_is_read() -> None:
    """Given what the deployment sets, and variables of the consumer, then those of feedback count."""
    settings = FeedbackSettings.for_socket({**RIGHT, "DROPSLOT_HANDLER": "app.handler:handle"})
    assert settings == FeedbackSettings(
        table="requests",
        connections="connections",
        callback_url="https://a1b2c3.execute-api.eu-central-1.amazonaws.com/v1",
        region="eu-central-1",
        log_level="INFO",
        auth="iam",
        cors_origin="https://shop.example",
    )


@pytest.mark.parametrize("url", ["http://127.0.0.1:4711/local", "https://example.com/", "https://example.com"])
def test_the_stage_can_be_anywhere(url: str) -> None:
    """Given the URL of a local server or of a domain of one's own, then it is taken."""
    assert FeedbackSettings.for_notify({**RIGHT, "DROPSLOT_CALLBACK_URL": url}).callback_url == url.rstrip("/")


@pytest.mark.parametrize("origin", ["", "*", "http://127.0.0.1:8000"])
def test_pages_of_one_origin_of_all_or_of_none_may_connect(origin: str) -> None:
    """Given what the HTTP API can be told of pages, then it is taken."""
    assert FeedbackSettings.for_socket({**RIGHT, "DROPSLOT_CORS_ORIGIN": origin}).cors_origin == origin


def test_only_the_socket_asks_who_connects() -> None:
    """Given no auth, then the function behind the stream doesn't miss it, and the other one does."""
    environment = {name: value for name, value in RIGHT.items() if name != "DROPSLOT_AUTH"}
    FeedbackSettings.for_notify(environment)
    with pytest.raises(ConfigurationError, match="DROPSLOT_AUTH=''"):
        FeedbackSettings.for_socket(environment)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DROPSLOT_TABLE", ""),
        ("DROPSLOT_CONNECTIONS", "a b"),
        ("DROPSLOT_CALLBACK_URL", ""),
        ("DROPSLOT_CALLBACK_URL", "wss://example.com/v1"),
        ("DROPSLOT_CALLBACK_URL", "https://example.com/v1?x=1"),
        ("DROPSLOT_CALLBACK_URL", "https://user:word@example.com/v1"),
        ("DROPSLOT_AUTH", "cognito"),
        ("DROPSLOT_CORS_ORIGIN", "https://shop.example/"),
        ("DROPSLOT_CORS_ORIGIN", "https://a.example,https://b.example"),
        ("DROPSLOT_LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_one_is_named(name: str, value: str) -> None:
    """Given one wrong variable, then the fault names it and says what is expected."""
    with pytest.raises(ConfigurationError, match=f"^{name}=.*: expected "):
        FeedbackSettings.for_socket({**RIGHT, name: value})


def test_all_faults_are_told_at_once() -> None:
    """Given no variables at all, then each is named."""
    with pytest.raises(ConfigurationError) as wrong:
        FeedbackSettings.for_socket({})
    assert len(wrong.value.faults) == 4


@pytest.mark.parametrize(
    "changed", [{"AWS_ACCESS_KEY_ID": ""}, {"AWS_USE_FIPS_ENDPOINT": "true"}, {"HTTPS_PROXY": "x"}]
)
def test_a_way_that_needs_an_sdk_is_refused(changed: dict[str, str]) -> None:
    """Given credentials or endpoints that only an SDK finds, then the function says what to set instead."""
    environment = {**RIGHT, "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
    settings = FeedbackSettings.for_notify(environment)
    Feedback.open(environment, settings)
    with pytest.raises(ConfigurationError, match="AWS_USE_FIPS_ENDPOINT"):
        Feedback.open(environment | changed, settings)
