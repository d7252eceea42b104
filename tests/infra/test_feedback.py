"""Pushed outcomes, as the template has them: who may connect, what is kept of it, and which records are pushed."""

import json
from typing import Any, Final

import pytest

from dropslot.core.mapping import NOTIFY_FILTERS
from dropslot.core.settlement import settlement
from tests.infra.filters import passes
from tests.infra.synthesis import (
    ACCOUNT,
    REGION,
    Template,
    make_stack,
    only_resource_of,
    resolved,
    resources_of,
    settings_of,
    template_of,
)
from tests.unit.core.images import TABLE, data, image, record

#: Setting `auth`, what else goes with it, and what $connect then asks for.
ASKED: Final = {
    "iam": ({}, ("AWS_IAM", False)),
    "api_key": ({"api_keys": ["till", "partner"]}, ("NONE", True)),
    "none": ({}, ("NONE", False)),
}


def synthesised(auth: str = "iam", **settings: Any) -> Template:
    """Synthesise a stack that pushes outcomes."""
    return template_of(make_stack(settings_of(name="shop", feedback=True, auth=auth, **ASKED[auth][0], **settings)))


@pytest.fixture(scope="module")
def template() -> Template:
    """The template beside a container, with what else is set by default, and a variable for handlers."""
    return synthesised(environment={"SHOP": "north", "DROPSLOT_LOG_LEVEL": "WARNING"}, requests_per_second=7)


@pytest.fixture(scope="module")
def keyed() -> Template:
    """The template with API keys."""
    return synthesised("api_key")


def id_of(template: Template, kind: str, part: str) -> str:
    """Return the one logical id of a type with this part in it."""
    (found,) = (name for name in resources_of(template, kind) if part in name)
    return found


def routes_of(template: Template) -> dict[str, dict[str, Any]]:
    """Return the routes by their keys."""
    return {route["RouteKey"]: route for route in resources_of(template, "AWS::ApiGatewayV2::Route").values()}


def variables_of(template: Template, part: str) -> dict[str, Any]:
    """Return the variables of a function."""
    function = template["Resources"][id_of(template, "AWS::Lambda::Function", part)]
    variables: dict[str, Any] = function["Properties"]["Environment"]["Variables"]
    return variables


def test_connections_are_kept_as_long_as_they_live(template: Template) -> None:
    """Given the table of connections, then it has the keys of a watch, forgets by itself, and goes with the stack."""
    table = template["Resources"][id_of(template, "AWS::DynamoDB::Table", "FeedbackConnections")]
    properties = table["Properties"]
    assert properties["KeySchema"] == [
        {"AttributeName": "id", "KeyType": "HASH"},
        {"AttributeName": "connection", "KeyType": "RANGE"},
    ]
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties.keys().isdisjoint({"TableName", "KinesisStreamSpecification", "StreamSpecification"})
    assert table["DeletionPolicy"] == "Delete"


def test_all_that_arrives_reaches_the_socket_s_function(template: Template) -> None:
    """Given connections, messages and ends, then one function is told of each, and a message's action is its route."""
    api = only_resource_of(template, "AWS::ApiGatewayV2::Api")
    assert (api["ProtocolType"], api["RouteSelectionExpression"]) == ("WEBSOCKET", "$request.body.action")
    routes = routes_of(template)
    assert set(routes) == {"$connect", "$disconnect", "watch", "$default"}
    (integration_id,) = resources_of(template, "AWS::ApiGatewayV2::Integration")
    assert {resolved(route["Target"], template) for route in routes.values()} == {f"integrations/{integration_id}"}
    integration = only_resource_of(template, "AWS::ApiGatewayV2::Integration")
    function = id_of(template, "AWS::Lambda::Function", "Socket")
    assert integration["IntegrationType"] == "AWS_PROXY"
    assert resolved(integration["IntegrationUri"], template).endswith(f":{function}/invocations")
    assert template["Resources"][function]["Properties"]["Handler"] == "dropslot_socket.handler"


@pytest.mark.parametrize("auth", ASKED)
def test_who_connects_is_asked_as_the_http_api_asks(auth: str) -> None:
    """Given a kind of auth, then connecting takes it, and the function is told what to look for."""
    template = synthesised(auth)
    asked = {key: (route["AuthorizationType"], route["ApiKeyRequired"]) for key, route in routes_of(template).items()}
    others = dict.fromkeys(("$disconnect", "watch", "$default"), ("NONE", False))
    assert asked == {"$connect": ASKED[auth][1], **others}
    assert variables_of(template, "Socket")["DROPSLOT_AUTH"] == auth


def test_the_same_keys_open_both_apis(keyed: Template) -> None:
    """Given API keys, then each is in the plan of the WebSocket API's stage, too, and there are no others."""
    of_plan: dict[str, set[str]] = {}
    for entry in resources_of(keyed, "AWS::ApiGateway::UsagePlanKey").values():
        of_plan.setdefault(entry["UsagePlanId"]["Ref"], set()).add(entry["KeyId"]["Ref"])
    socket_plan = id_of(keyed, "AWS::ApiGateway::UsagePlan", "Feedback")
    (http_plan,) = of_plan.keys() - {socket_plan}
    assert of_plan[socket_plan] == of_plan[http_plan] == set(resources_of(keyed, "AWS::ApiGateway::ApiKey"))
    (api_id,) = resources_of(keyed, "AWS::ApiGatewayV2::Api")
    (stage_id,) = resources_of(keyed, "AWS::ApiGatewayV2::Stage")
    (stage,) = keyed["Resources"][socket_plan]["Properties"]["ApiStages"]
    assert stage == {"ApiId": {"Ref": api_id}, "Stage": {"Ref": stage_id}}


def test_only_this_stage_s_routes_may_call_the_function(template: Template) -> None:
    """Given the function, then API Gateway may call it for the routes of this API's stage, one by one."""
    (api_id,) = resources_of(template, "AWS::ApiGatewayV2::Api")
    sources = {
        resolved(permission["SourceArn"], template)
        for permission in resources_of(template, "AWS::Lambda::Permission").values()
        if permission["Principal"] == "apigateway.amazonaws.com"
    }
    stage = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api_id}/v1"
    assert sources == {f"{stage}/{key}" for key in ("$connect", "$disconnect", "watch", "$default")}


def test_the_stage_has_limits_and_a_log_without_messages(template: Template) -> None:
    """Given the stage, then it has the API's limits, and its log lines hold API Gateway's own words alone."""
    stage = only_resource_of(template, "AWS::ApiGatewayV2::Stage")
    limits = stage["DefaultRouteSettings"]
    assert (limits["ThrottlingRateLimit"], limits["ThrottlingBurstLimit"]) == (7, 200)
    assert (limits["LoggingLevel"], limits["DataTraceEnabled"]) == ("OFF", False)
    line = json.loads(stage["AccessLogSettings"]["Format"])
    assert line.pop("event") == "socket_event"
    assert {value.split(".")[0] for value in line.values()} == {"$context"}
    log_id = stage["AccessLogSettings"]["DestinationArn"]["Fn::GetAtt"][0]
    assert template["Resources"][log_id]["Type"] == "AWS::Logs::LogGroup"


def test_the_stage_waits_for_its_routes_and_for_its_log(template: Template) -> None:
    """Given a first deployment, then the stage is made after its routes, and after the account may write logs."""
    (stage,) = (one for one in template["Resources"].values() if one["Type"] == "AWS::ApiGatewayV2::Stage")
    awaited = {*resources_of(template, "AWS::ApiGatewayV2::Route"), *resources_of(template, "AWS::ApiGateway::Account")}
    assert len(awaited) == 5
    assert awaited <= set(stage["DependsOn"])


def test_functions_push_to_the_stage_that_clients_connect_to(template: Template) -> None:
    """Given the address that operators are told, then both functions push to the same one."""
    (api_id,) = resources_of(template, "AWS::ApiGatewayV2::Api")
    url = _joined(template["Outputs"]["WebSocketUrl"]["Value"], template)
    assert url == f"wss://{api_id}.execute-api.{REGION}.amazonaws.com/v1"
    for part in ("Socket", "Notify"):
        told = _joined(variables_of(template, part)["DROPSLOT_CALLBACK_URL"], template)
        assert told == url.replace("wss://", "https://")


def test_functions_are_told_no_more_than_they_need(template: Template) -> None:
    """Given variables for handlers, then neither function has them, and both log as the consumer does."""
    for part, own in (("Socket", {"DROPSLOT_AUTH"}), ("Notify", set[str]())):
        variables = variables_of(template, part)
        shared = {"DROPSLOT_TABLE", "DROPSLOT_CONNECTIONS", "DROPSLOT_CALLBACK_URL", "DROPSLOT_LOG_LEVEL"}
        assert set(variables) == shared | own
        assert resolved(variables["DROPSLOT_TABLE"], template) == "shop-requests"
        assert variables["DROPSLOT_LOG_LEVEL"] == "WARNING"
        assert variables["DROPSLOT_CONNECTIONS"] == {"Ref": id_of(template, "AWS::DynamoDB::Table", "Connections")}


@pytest.mark.parametrize("origin", ["https://shop.example", "*"])
def test_pages_that_may_call_may_connect(origin: str) -> None:
    """Given the origin whose pages may call the HTTP API, then the socket's function is told the same, and no other."""
    template = synthesised("none", cors_origin=origin)
    assert variables_of(template, "Socket")["DROPSLOT_CORS_ORIGIN"] == origin
    assert "DROPSLOT_CORS_ORIGIN" not in variables_of(template, "Notify")


@pytest.mark.parametrize(("settings", "reserved"), [({}, 20), ({"feedback_concurrency": 7}, 7)])
def test_clients_cannot_use_up_what_functions_have(settings: dict[str, Any], reserved: int) -> None:
    """Given clients that come in any number, then what they make run at once is bounded, and the rest isn't theirs."""
    template = synthesised(consumer="lambda", **settings)
    functions = resources_of(template, "AWS::Lambda::Function")
    bounded = {name: one.get("ReservedConcurrentExecutions") for name, one in functions.items()}
    assert bounded.pop(id_of(template, "AWS::Lambda::Function", "FeedbackSocket")) == reserved
    assert set(bounded.values()) == {None}


def test_an_account_with_few_to_spare_need_not_reserve() -> None:
    """Given 0, then nothing is taken from the account: AWS would take it for never."""
    template = synthesised(feedback_concurrency=0)
    socket = template["Resources"][id_of(template, "AWS::Lambda::Function", "Socket")]["Properties"]
    assert "ReservedConcurrentExecutions" not in socket


def test_a_message_is_answered_before_api_gateway_gives_up(template: Template) -> None:
    """Given API Gateway's limit of 29 s, then the socket's function has no longer."""
    function = template["Resources"][id_of(template, "AWS::Lambda::Function", "Socket")]["Properties"]
    assert function["Timeout"] <= 29


def test_outcomes_come_by_a_mapping_of_their_own(template: Template) -> None:
    """Given the stream, then new outcomes are pushed at once, and old ones hold nothing up."""
    mapping = only_resource_of(template, "AWS::Lambda::EventSourceMapping")
    (stream_id,) = resources_of(template, "AWS::Kinesis::Stream")
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": [stream_id, "Arn"]}
    assert mapping["FunctionName"]["Fn::GetAtt"][0] == id_of(template, "AWS::Lambda::Function", "Notify")
    assert (mapping["StartingPosition"], mapping["MaximumBatchingWindowInSeconds"]) == ("LATEST", 0)
    assert mapping["MaximumRetryAttempts"] <= 3
    assert mapping["MaximumRecordAgeInSeconds"] <= 600
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert [json.loads(one["Pattern"]) for one in mapping["FilterCriteria"]["Filters"]] == list(NOTIFY_FILTERS)


def test_the_mapping_waits_for_the_role_s_rights(template: Template) -> None:
    """Given a first deployment, then the mapping is made after the policy that lets it read the stream."""
    (mapping,) = (one for one in template["Resources"].values() if one["Type"] == "AWS::Lambda::EventSourceMapping")
    assert id_of(template, "AWS::IAM::Policy", "NotifyRole") in mapping["DependsOn"]


PENDING: Final = image()
WAITING: Final = image(status="waiting-a", tries=1)
DONE: Final = image(status="done-a", queue=None, ttl=1_760_086_400)
FAILED: Final = image(status="failed-a", error="no")


@pytest.mark.parametrize("old", [PENDING, WAITING])
@pytest.mark.parametrize("new", [DONE, FAILED])
def test_what_settles_a_request_passes_the_filter(new: dict[str, Any], old: dict[str, Any]) -> None:
    """Given a record that the core takes for an outcome, then it reaches the function."""
    change = record(new, old)
    assert settlement(data(change), TABLE) is not None
    assert passes(change, NOTIFY_FILTERS)


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (PENDING, None),
        (PENDING, WAITING),
        (WAITING, PENDING),
        (PENDING, FAILED),
        (DONE, DONE),
        (None, DONE),
    ],
)
def test_what_settles_nothing_costs_no_invocation(new: dict[str, Any] | None, old: dict[str, Any] | None) -> None:
    """Given any other record, then it doesn't reach the function."""
    assert not passes(record(new, old), NOTIFY_FILTERS)


@pytest.mark.parametrize("consumer", ["kcl", "lambda"])
def test_both_consumers_can_have_it(consumer: str) -> None:
    """Given either consumer, then outcomes are pushed by the same functions, and the consumer is as it was."""
    with_it, without = (
        template_of(make_stack(settings_of(consumer=consumer, feedback=feedback))) for feedback in (True, False)
    )
    new = with_it["Resources"].keys() - without["Resources"].keys()
    assert {name for name in new if not name.startswith(("Feedback", "Monitoring"))} == set()
    kept = without["Resources"].keys() - {id_of(without, "AWS::CloudWatch::Dashboard", "")}
    assert {name for name in kept if with_it["Resources"].get(name) != without["Resources"][name]} == set()


def test_it_is_off_unless_asked_for() -> None:
    """Given nothing, then there is no WebSocket API, and nobody is told of one."""
    template = template_of(make_stack(settings_of()))
    assert not resources_of(template, "AWS::ApiGatewayV2::Api")
    assert "WebSocketUrl" not in template["Outputs"]


def _joined(value: Any, template: Template) -> str:
    parts = [REGION if part == {"Ref": "AWS::Region"} else part for part in value["Fn::Join"][1]]
    return "".join("amazonaws.com" if part == {"Ref": "AWS::URLSuffix"} else resolved(part, template) for part in parts)
