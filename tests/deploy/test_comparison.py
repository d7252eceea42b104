"""How what was made is compared with what was wanted: what counts as a difference, and where it is said to be."""

from typing import Any, Final

import pytest

from tests.deploy.comparison import differences
from tests.deploy.expected import Like, resolve

_TREE: Final[dict[str, Any]] = {
    "Name": "a",
    "Inner": {"Size": 1},
    "List": [{"Key": "x", "On": True}, {"Key": "y", "On": False}],
}


@pytest.mark.parametrize(
    ("made", "places"),
    [
        (_TREE, []),
        ({"name": "a", "inner": {"size": "1"}, "list": list(reversed(_TREE["List"])), "more": 1}, []),
        ({**_TREE, "Name": "b"}, ["Name"]),
        ({**_TREE, "Inner": None}, ["Inner"]),
        ({**_TREE, "Inner": {}}, ["Inner.Size"]),
        ({**_TREE, "Inner": {"Size": 2}}, ["Inner.Size"]),
        ({**_TREE, "List": [{"Key": "x", "On": True}]}, ["List[]"]),
        ({**_TREE, "List": [*_TREE["List"], {"Key": "z"}]}, ["List[]"]),
        ({**_TREE, "List": [{"Key": "y", "On": False}, {"Key": "x", "On": False}]}, ["List[].On"]),
    ],
)
def test_a_difference_is_found_where_it_is(made: dict[str, Any], places: list[str]) -> None:
    """Given something that was made, then each place where it differs is named; order and more don't count."""
    assert list(differences(_TREE, made)) == places


def test_more_in_a_policy_is_a_difference_and_more_tags_are_not() -> None:
    """Given one more statement and one more tag, then only the statement counts."""
    wanted = {"Statement": [{"Action": ["a"]}], "Tags": []}
    made = {"Statement": [{"Action": "a"}, {"Action": "b"}], "Tags": [{"Key": "of the stack"}]}
    assert list(differences(wanted, made)) == ["Statement[]"]


def test_what_is_only_partly_known_must_fit() -> None:
    """Given an ARN in a longer text, then only a text with that name in that place is the same."""
    value = {"Fn::Join": ["", [{"Fn::GetAtt": ["Table", "Arn"]}, "/index/", {"Ref": "AWS::Region"}]]}
    wanted = resolve(value, {"Table": "orders"})
    assert isinstance(wanted, Like)
    assert not list(differences(wanted, "arn:aws:dynamodb:us-east-1:123456789012:table/orders/index/us-east-1"))
    assert list(differences({"A": wanted}, {"A": "arn:aws:dynamodb:us-east-1:1:table/bills/index/us-east-1"})) == ["A"]
