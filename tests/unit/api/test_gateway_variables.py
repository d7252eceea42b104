"""What templates see in the local gateway: API Gateway's functions and Java's strings."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropslot.local.gateway.strings import JavaString, base64_encode, escape_java_script, url_decode, url_encode
from dropslot.local.gateway.template import Template, TemplateError
from dropslot.local.gateway.variables import Input, namespace, request_context

TEXT = st.text(st.characters(codec="utf-8"))


@given(text=TEXT)
def test_escaped_text_is_json_once_its_apostrophes_are(text: str) -> None:
    """Given any text, escapeJavaScript and the known repair of apostrophes give JSON, in ASCII."""
    escaped = escape_java_script(text).replaceAll("\\\\'", "'")
    assert escaped.isascii()
    assert json.loads(f'"{escaped}"') == text


def test_apostrophes_are_escaped_as_on_aws() -> None:
    """Given an apostrophe, it is escaped, which JSON does not allow."""
    assert escape_java_script("it's") == "it\\'s"


@given(text=TEXT)
def test_urls_are_encoded_without_a_separator(text: str) -> None:
    """Given any text, the encoded one decodes to it and holds nothing that has a meaning in an id."""
    encoded = url_encode(text)
    assert url_decode(encoded) == text
    assert not set(encoded) & set("#@: /~")


def test_strings_count_and_replace_as_in_java() -> None:
    """Given Java's methods, lengths are UTF-16 units and replacements know groups and escapes."""
    assert JavaString("a😀").length() == 3
    assert JavaString("a.b").replaceAll("(a)\\.", "$1-\\$") == "a-$b"
    assert JavaString("ab").matches("a") is False
    assert base64_encode("é") == "w6k="


def test_the_engines_marker_is_only_text() -> None:
    """Given a value that reads like the engine's own marker, it is printed as it is."""
    marker = "__FORMAL_REFERENCE__REPLACE_TEXT__"
    source = Input(marker, {"path": {}, "querystring": {}, "header": {}})
    assert Template("$input.body").render(namespace(source, request_context())) == marker


def test_parameters_are_found_in_api_gateways_order() -> None:
    """Given one name in several places, the path goes first; a header's name is told apart by case."""
    source = Input("", {"path": {"a": "p"}, "querystring": {"a": "q", "b": "q"}, "header": {"b": "h", "C": "h"}})
    assert (source.params("a"), source.params("b"), source.params("C"), source.params("c")) == ("p", "q", "h", "")


@pytest.mark.parametrize("body", ["", "no json", "[1]"])
def test_a_path_into_anything_leads_somewhere_or_nowhere(body: str) -> None:
    """Given a payload without the path, the value is missing and no error."""
    source = Input(body, {"path": {}, "querystring": {}, "header": {}})
    assert source.path("$.a.b") is None


def test_a_failing_template_tells_no_values() -> None:
    """Given a template that fails, the error names the kind of failure and not what the client sent."""
    source = Input("secret", {"path": {}, "querystring": {}, "header": {}})
    with pytest.raises(TemplateError) as caught:
        Template("$util.parseJson($input.body)").render(namespace(source, request_context()))
    assert "secret" not in str(caught.value)
