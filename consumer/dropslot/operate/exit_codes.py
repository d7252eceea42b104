"""Exit codes of the operator's commands; docs/operations.md lists them."""

from typing import Final

#: Something of what was asked for was not done, or not found; the report says what.
NOT_DONE: Final = 1
#: Wrong usage or configuration, or nobody there to confirm: nothing was done.
USAGE: Final = 2
#: Out of reach: no server, no table, no credentials, no permission.
OUT_OF_REACH: Final = 3
#: Stopped by Ctrl-C; what is done is done.
INTERRUPTED: Final = 130
