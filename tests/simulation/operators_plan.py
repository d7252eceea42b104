"""What operators do in a schedule, drawn once: which commands, when, and how they are cut short."""

import random
from dataclasses import dataclass
from typing import Final

#: Share of schedules that have operators.
_SHARE: Final = 0.35
#: How soon a second operator may start the same command.
_AT_ONCE_SECONDS: Final = 2.0

RETRY: Final = "retry"
DELETE: Final = "delete"
REPLAY: Final = "replay"
REPLAY_FAILED: Final = "replay --failed"
REPLAY_FORCE: Final = "replay --force"
KINDS: Final = (RETRY, DELETE, REPLAY, REPLAY_FAILED, REPLAY_FORCE)

#: What a command may wait for: a request that is settled, or one of which whoever settled it doesn't hear soon.
OUTCOME: Final = "outcome"
SILENCE: Final = "silence"

#: How a command ends before its time.
KILLED: Final = "killed"
INTERRUPTED: Final = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandPlan:
    """One command of an operator.

    Args:
        kind: one of `KINDS`.
        at: when it is started.
        follows: "" if it is started right then, else what it waits for: that is when most is under way.
        per_second: its rate.
        hesitates_seconds: between looking and acting: somebody reads the counts and confirms.
        cut: "" if it is left to its end, else how it isn't.
        cut_after: steps until it is killed, or seconds until it is interrupted.
    """

    kind: str
    at: float
    follows: str
    per_second: float
    hesitates_seconds: float
    cut: str
    cut_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorsPlan:
    """What operators do.

    Args:
        commands: all of them.
        sweeps: there is a further sweep, beside those that belong to the consumers.
    """

    commands: tuple[CommandPlan, ...]
    sweeps: bool

    @property
    def forces(self) -> bool:
        """Tell whether somebody runs done requests again, and such as are gone."""
        return any(command.kind == REPLAY_FORCE for command in self.commands)

    @property
    def forces_at_once(self) -> bool:
        """Tell whether somebody forces requests while others may still be at work on their outcomes."""
        return any(command.kind == REPLAY_FORCE and command.follows for command in self.commands)


def draw_operators(seed: int, quiet_at: float) -> OperatorsPlan | None:
    """Draw what operators do; None if there are none.

    Args:
        seed: of the schedule.
        quiet_at: when the faults end.
    """
    # A source of its own: without operators, a seed is the schedule that it was before there were any.
    source = random.Random(f"operators in {seed}")
    if source.random() >= _SHARE:
        return None
    commands: list[CommandPlan] = []
    for _ in range(source.randint(1, 4)):
        command = _draw_command(source, source.uniform(0.2, 1.1) * quiet_at)
        commands.append(command)
        if source.random() < 0.4:  # a second operator does the same at the same time
            commands.append(_draw_command(source, command.at + source.uniform(0, _AT_ONCE_SECONDS), command.kind))
    return OperatorsPlan(commands=tuple(commands), sweeps=source.random() < 0.5)


def _draw_command(source: random.Random, at: float, kind: str | None = None) -> CommandPlan:
    cut = source.choice(("", "", "", KILLED, INTERRUPTED))
    follows = source.choice(("", "", OUTCOME, SILENCE))
    return CommandPlan(
        # What is forced and restored meets most of what is under way.
        kind=kind if kind is not None else source.choice((*KINDS, REPLAY_FORCE)),
        at=at,
        follows=follows,
        per_second=50.0 if follows else source.choice((1.0, 5.0, 50.0)),
        hesitates_seconds=0.0 if follows else source.choice((0.0, 3.0, 15.0, 40.0)),
        cut=cut,
        cut_after=source.choice((0, 4, 8, 16, 32, 64) if cut == KILLED else (0, 1, 2, 4, 8, 16)),
    )
