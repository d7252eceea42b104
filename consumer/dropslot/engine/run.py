"""One request under way in a shard."""

from typing import TYPE_CHECKING

import msgspec

from dropslot.core.item import Accepted, State
from dropslot.core.watermark import Entry

if TYPE_CHECKING:
    from dropslot.engine.steps.stepping import SteppedRun


class Run(msgspec.Struct, eq=False):
    """A request under way; a redrive that arrives meanwhile can join it.

    Args:
        accepted: the request.
        state: as it is run; a redrive that joins moves it to the later attempt.
        entries: the records that are resolved with it.
        is_suspect: a worker may have died of it, so its start is counted.
        counting: the state whose start is being counted, until that is answered or taken back.
        counted: its start was counted.
        joinable: its outcome would count for a later attempt as well.
        steps: its steps, if its handler takes any.
    """

    accepted: Accepted
    state: State
    entries: list[Entry]
    is_suspect: bool = False
    counting: State | None = None
    counted: bool = False
    joinable: bool = True
    steps: "SteppedRun | None" = None

    def join(self, state: State, entry: Entry) -> None:
        """Let a redrive's record share this run; starts counted since the redrive stay counted."""
        starts = max(state.starts, self.state.starts)
        self.state = msgspec.structs.replace(state, starts=starts, suspected=state.suspected or self.state.suspected)
        self.entries.append(entry)
