"""Mapping templates, parsed once."""

import re
from collections.abc import Mapping
from typing import Any, Final

from airspeed.operators import Template as EngineTemplate  # type: ignore[import-untyped]
from airspeed.operators import TemplateError as EngineError

# Velocity drops the end of a line that ends in a directive; the engine forgets that for these two.
_ELSE_LINE: Final = re.compile(r"#(?:else|\{else\})[ \t]*\r?\n")
_FOREACH_LINE: Final = re.compile(r"(#foreach[ \t]*\((?:[^()\n]|\([^()\n]*\))*\))[ \t]*\r?\n")


class TemplateError(Exception):
    """A template can't be parsed or failed while it was rendered."""


class Template:
    """One mapping template.

    Raises:
        TemplateError: the text isn't valid VTL.
    """

    def __init__(self, text: str) -> None:
        self._template = EngineTemplate(_FOREACH_LINE.sub(r"\1", _ELSE_LINE.sub("#{else}", text)))
        try:
            self._template.ensure_compiled()
        except EngineError as error:
            raise TemplateError(f"not valid VTL: {error}") from error

    def render(self, variables: Mapping[str, Any]) -> str:
        """Render for one set of variables.

        Raises:
            TemplateError: the engine failed. The message holds no values: they are the client's.
        """
        try:
            rendered: str = self._template.merge(dict(variables))
        except Exception as error:
            raise TemplateError(f"rendering failed with {type(error.__cause__ or error).__name__}") from error
        return rendered
