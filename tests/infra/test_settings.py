"""Deployment settings: what holds by default, what is read, and that all faults are told at once."""

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from dropslot.core.errors import ConfigurationError
from dropslot_infra import settings as module
from dropslot_infra.settings import DeploymentSettings
from tests.infra.synthesis import ENVIRONMENTS, PROJECT

SECRET_ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/webhook-secret-AbCdEf"
POOL = "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Ab"


@pytest.fixture(autouse=True)
def _handler(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "handler.py").write_text("def handle(request):\n    ...\n")


def read(tmp_path: Path, context: Mapping[str, object] | None = None, **mapping: object) -> DeploymentSettings:
    """Read settings of a project that has one type, `requests`."""
    return DeploymentSettings.from_mapping(mapping, project=tmp_path, source="dev.toml", context=context)


def faults_of(tmp_path: Path, context: Mapping[str, object] | None = None, **mapping: object) -> tuple[str, ...]:
    """Return the faults of settings that are wrong."""
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, context, **mapping)
    return caught.value.faults


def test_the_defaults_are_safe_and_cheap(tmp_path: Path) -> None:
    """Given nothing, then callers must sign, data is kept, and little runs."""
    settings = read(tmp_path)
    assert (settings.auth, settings.removal, settings.open_types, settings.cors_origin) == ("iam", "retain", (), "")
    assert (settings.shards, settings.tasks_min, settings.tasks_max, settings.network) == (1, 1, 1, "public")


def test_every_setting_can_be_read(tmp_path: Path) -> None:
    """Each field has a reader, and no reader is without a field."""
    assert {setting.name for setting in fields(DeploymentSettings)} == set(module._READERS)


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ({"shards": "on-demand"}, "on-demand"),
        ({"shards": 8}, 8),
        ({"consumer": "lambda"}, "lambda"),
        ({"handlers": {"requests": "app.handler:handle"}}, {"requests": "app.handler:handle"}),
        ({"cors_origin": "http://localhost:3000"}, "http://localhost:3000"),
        ({"secrets": {"KEY": "prod/stripe"}}, {"KEY": "prod/stripe"}),
        ({"secrets": {"KEY": SECRET_ARN}}, {"KEY": SECRET_ARN}),
        ({"environment": {"TEXT": "of two\nlines"}}, {"TEXT": "of two\nlines"}),
        ({"log_retention_days": 365}, 365),
        ({"account": "123456789012"}, "123456789012"),
    ],
)
def test_a_value_is_read(tmp_path: Path, mapping: dict[str, Any], expected: object) -> None:
    """Given a good value, when it is read, then the settings hold it."""
    (key,) = mapping
    assert getattr(read(tmp_path, **mapping), key) == expected


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("name", "Orders", "3 to 32 of a-z, 0-9 and -"),
        ("name", "orders-", "no - last"),
        ("api", "/etc/dropslot.toml", "relative to the project"),
        ("consumer", "ecs", "one of kcl, lambda"),
        ("auth", True, "one of iam, api_key, cognito, none"),
        ("shards", 0, "a whole number from 1 to 10000, or one of on-demand"),
        ("shards", True, "a whole number"),
        ("shards", "ondemand", "on-demand"),
        ("handlers", "app.handler:handle", "a table"),
        ("handlers", {"requests": "app.handler"}, "at requests: expected module:function"),
        ("handlers", {"Re quests": "a:b"}, "at key 'Re quests': expected a type"),
        ("open_types", "requests", "a list"),
        ("open_types", ["requests", "requests"], "each entry once"),
        ("api_keys", ["a b"], "at [0]: expected a name"),
        ("cors_origin", "https://shop.example/", "an origin"),
        ("cognito_user_pool_arn", "pool", "ARN of a Cognito user pool"),
        ("stream_retention_hours", 12, "24 to 8760"),
        ("ttl_seconds", 1.5, "a whole number"),
        ("network", "vpc-1", "one of public, private, existing"),
        ("vpc_id", "vpc-1", "vpc-0a1b2c3d"),
        ("vpc_subnet_ids", ["subnet-1"], "at [0]: expected an id such as subnet-0a1b2c3d"),
        ("vpc_public_ips", "yes", "true or false"),
        ("image", "an image", "an image such as"),
        ("task_cpu", 300, "one of 256, 512"),
        ("environment", {"A-B": "x"}, "the name of a variable"),
        ("environment", {"LIMIT": 3}, "at LIMIT: expected a string"),
        ("secrets", {"KEY": ""}, "the name or ARN of a secret"),
        ("feedback", "on", "true or false"),
        ("feedback_concurrency", -1, "0 to 1000"),
        ("alarm_email", "nobody", "an e-mail address"),
        ("api_log_role", "none", "one of stack, account"),
        ("log_retention_days", 2, "one of 1, 7"),
        ("removal", "delete", "one of retain, destroy"),
        ("account", 123456789012, "in quotes"),
        ("region", "Frankfurt", "a region such as"),
    ],
)
def test_a_wrong_value_is_told(tmp_path: Path, key: str, value: Any, told: str) -> None:
    """Given a wrong value, when it is read, then one fault says where it stands, what it is and what is expected."""
    (fault,) = faults_of(tmp_path, **{key: value})
    assert fault.startswith(f"dev.toml: {key} = {value!r}: ")
    assert told in fault


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        ({"auth": "cognito"}, "cognito_user_pool_arn goes with auth = 'cognito'"),
        ({"cognito_user_pool_arn": POOL}, "cognito_user_pool_arn goes with auth = 'cognito'"),
        (
            {"feedback": True, "auth": "cognito", "cognito_user_pool_arn": POOL},
            "feedback doesn't go with auth = 'cognito'",
        ),
        ({"auth": "api_key"}, "api_keys goes with auth = 'api_key'"),
        ({"api_keys": ["shop"]}, "api_keys goes with auth = 'api_key'"),
        ({"auth": "none", "open_types": ["requests"]}, "open_types has no meaning with auth = 'none'"),
        ({"open_types": ["order"]}, "open_types holds order, which the API has not; it has requests"),
        (
            {"handlers": {"order": "app.handler:handle", "*": "app.handler:handle"}},
            "handlers has one for order, which the API has not",
        ),
        ({"handlers": {}}, "handlers has none for requests"),
        ({"requests_burst": 10}, "raise it"),
        ({"network": "existing"}, "vpc_id and vpc_subnet_ids go with"),
        ({"vpc_id": "vpc-0a1b2c3d", "vpc_subnet_ids": ["subnet-0a1b2c3d"]}, "vpc_id and vpc_subnet_ids go with"),
        ({"consumer": "lambda", "network": "private"}, "functions run in no network"),
        ({"consumer": "lambda", "image": "dropslot:1"}, "functions are made from the project's files"),
        ({"task_cpu": 256, "task_memory_mib": 4096}, "Fargate has 512 to 2048 in steps of 512"),
        ({"tasks_min": 2}, "tasks_min = 2 is above tasks_max = 1"),
        ({"tasks_max": 2}, "the others would have no shard"),
        ({"tasks_min": 0}, "tasks_min = 0 goes with tasks_max = 0"),
        ({"network": "private", "image": "nginx"}, "image = 'nginx' can't be pulled with network = 'private'"),
        ({"vpc_public_ips": True}, "vpc_public_ips goes with network = 'existing'"),
        ({"name": "shop-requests"}, "which is that of a stack named shop: let it not end in -requests"),
        ({"name": "shop-journal"}, "which is that of a stack named shop: let it not end in -journal"),
        ({"secrets": {"KEY": "shop/webhook-secret"}}, "KEY = 'shop/webhook-secret': Secrets Manager takes the end"),
        ({"secrets": {"KEY": SECRET_ARN.removesuffix("-secret-AbCdEf")}}, "the ARN isn't whole"),
        ({"handlers": {"*": "app.handler:take"}}, "handlers: app.handler:take: app/handler.py has no take"),
    ],
)
def test_a_contradiction_is_told(tmp_path: Path, mapping: dict[str, Any], told: str) -> None:
    """Given values that don't go together, when they are read, then one fault says what to set instead."""
    (fault,) = faults_of(tmp_path, **mapping)
    assert told in fault


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    """Given wrong values, unknown keys and a wrong API file, when they are read, then one error lists them all."""
    (tmp_path / "dropslot.toml").write_text("[types.orders]\nkeep = 1\n")
    faults = faults_of(tmp_path, {"dropslot:shard": "2", "dropslot:removal": "never"}, auth="open", colour="red")
    assert [fault.split(":")[0] for fault in faults[:2]] == ["dev.toml", "dev.toml"]
    assert any(fault.startswith("dev.toml: colour is not a setting; known are account, ") for fault in faults)
    assert any(fault.startswith("-c dropslot:shard: shard is not a setting") for fault in faults)
    assert any(fault.startswith("-c dropslot:removal: removal = 'never': expected one of") for fault in faults)
    assert any(fault.startswith("[types.orders] has no setting keep") for fault in faults)
    assert len(faults) == 5


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("shards", "2", 2),
        ("shards", "on-demand", "on-demand"),
        ("account", "123456789012", "123456789012"),
        ("feedback", "true", True),
        ("open_types", '["requests"]', ("requests",)),
        ("open_types", ["requests"], ("requests",)),
        ("handlers", '{requests = "app.handler:handle"}', {"requests": "app.handler:handle"}),
    ],
)
def test_context_overrides_the_file(tmp_path: Path, key: str, text: object, expected: object) -> None:
    """Given a value in the file and another on the command line, when both are read, then the latter holds."""
    file = tmp_path / "dev.toml"
    file.write_text('shards = 7\naccount = "000000000000"\n')
    settings = DeploymentSettings.load(file, project=tmp_path, context={f"dropslot:{key}": text, "@aws-cdk/x": True})
    assert getattr(settings, key) == expected


def test_an_image_brings_its_own_handlers(tmp_path: Path) -> None:
    """Given an image that is there already, then what its handlers are isn't looked up in the project."""
    assert read(tmp_path, image="dropslot:1", handlers={"*": "orders.main:take"}).image == "dropslot:1"


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_what_the_shipped_files_offer_can_be_used(name: str, tmp_path: Path) -> None:
    """Given a shipped environment, when all that is commented out in it is used, then the settings are right."""
    text = (ENVIRONMENTS / f"{name}.toml").read_text()
    file = tmp_path / f"{name}.toml"
    file.write_text(re.sub(r"^# (\[\w+\]|\w+ = .*)$", r"\1", text, flags=re.MULTILINE))
    settings = DeploymentSettings.load(file, project=PROJECT)
    assert settings.open_types == ("webhooks",)
    assert settings.secrets == {"WEBHOOK_SECRET": f"{settings.name}/webhook"}
    shipped = DeploymentSettings.load(ENVIRONMENTS / f"{name}.toml", project=PROJECT)
    assert (shipped.open_types, shipped.secrets) == ((), {})


def test_a_missing_file_names_those_that_are_there(tmp_path: Path) -> None:
    """Given another environment's file, when one is asked for that isn't there, then the fault offers the other."""
    (tmp_path / "prod.toml").touch()
    with pytest.raises(ConfigurationError, match="beside it are prod: choose one with -c env="):
        DeploymentSettings.load(tmp_path / "dev.toml", project=tmp_path)


def test_a_file_that_is_no_toml_is_told(tmp_path: Path) -> None:
    """Given a broken file, when it is read, then the fault says so."""
    file = tmp_path / "dev.toml"
    file.write_text("name = ")
    with pytest.raises(ConfigurationError, match="can't be read as TOML"):
        DeploymentSettings.load(file, project=tmp_path)
