"""What running a step takes, one after the other: the same for handlers in threads and on loops.

A flow yields what is to be done and is sent what comes of it, so that only who drives it knows how to wait.
"""

from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

import msgspec

from dropslot.core.errors import RetryLater, StepsMisusedError, StepTimeoutError
from dropslot.core.policy import describe
from dropslot.core.step_policy import StepPolicy
from dropslot.core.transience import is_transient
from dropslot.engine.steps.plan import Plan
from dropslot.engine.steps.results import Codec, to_json
from dropslot.engine.steps.visit import Undo, Visit


class Call(msgspec.Struct, frozen=True):
    """Call a function of the user's.

    Args:
        function: the function.
        args: what it is called with.
        key: the key of the step.
        timeout_seconds: what it may take; None: what the handler has left.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    key: str
    timeout_seconds: float | None


class Ask(msgspec.Struct, frozen=True):
    """Have the engine's loop do something.

    Args:
        work: makes the coroutine.
    """

    work: Callable[[], Awaitable[None]]


Flow: TypeAlias = Generator[Call | Ask, Any, Any]


def running(visit: Visit, plan: Plan) -> Flow:
    """Run a step, or return what it returned before.

    Raises:
        Interrupt: this run of the handler is over.
        StepsMisusedError: the step can't be run, or can't be kept.
        BaseException: what the step raised at its last try.
    """
    visit.enter(plan)
    try:
        with _misuse(visit):
            codec = Codec.of(plan.name, plan.function)
        if visit.session.entry is None:
            yield Ask(visit.claim)
        step = visit.stored(plan)
        if step is None:
            return (yield from _fresh(visit, plan, codec))
        with _misuse(visit):
            result = codec.decode(step.result)
        visit.came_to(plan, result)
        return result
    finally:
        visit.leave()


def undoing(visit: Visit, undos: list[Undo]) -> Flow:
    """Undo steps; one that can't be undone stops none of the others.

    Raises:
        Interrupt: another worker has the request, or there is no time for more.
        BaseException: an error that may pass, of an undo at its last try.
    """
    for undo in undos:
        visit.enter_undo()
        try:
            yield from _trying(visit, undo.plan.policy, _undo_call(visit, undo))
        except Exception as error:
            if isinstance(error, RetryLater) or is_transient(error):
                raise
            yield Ask(partial(visit.not_undone, undo, describe(error)))
        else:
            yield Ask(partial(visit.undone, undo))


def _fresh(visit: Visit, plan: Plan, codec: Codec[Any]) -> Flow:
    """Run a step for the first time; return its result once that is kept."""
    key = visit.session.hold.key.step_key(plan.name)
    call = Call(plan.function, plan.args, key, plan.timeout_seconds)
    with _misuse(visit):
        value = yield from _trying(visit, plan.policy, call)
        text = to_json(plan.name, value)
        result = codec.decode(text)  # what a later run would read, so that both go on with the same
    yield Ask(partial(visit.finish, plan, text, result))
    return result


@contextmanager
def _misuse(visit: Visit) -> Iterator[None]:
    try:
        yield
    except StepsMisusedError as wrong:
        if visit.misuse is not None:  # of a step inside this one
            raise
        raise visit.misused(str(wrong)) from None


def _undo_call(visit: Visit, undo: Undo) -> Call:
    plan = undo.plan
    assert plan.undo is not None  # noqa: S101 - only those that have one are kept
    key = visit.session.hold.key.step_key(plan.name, undo=True)
    return Call(plan.undo, (undo.result, *plan.args), key, plan.timeout_seconds)


def _trying(visit: Visit, policy: StepPolicy, call: Call) -> Flow:
    tries = 0
    while True:
        # Nothing is begun by a worker that somebody may have taken the request from.
        if visit.session.hold.expiring:
            yield Ask(visit.renew)
        visit.go_on()
        try:
            return (yield call)
        except BaseException as raised:  # noqa: BLE001 - whatever the step raises, it is raised on, or met with another try
            # A generator makes another error of it.
            error = RuntimeError("the step raised StopIteration") if isinstance(raised, StopIteration) else raised
            tries += 1
            # One that timed out may still be running.
            final = isinstance(error, (StepTimeoutError, StepsMisusedError)) or visit.misuse is not None
            pause = None if final else policy.pause_before_next_try(error, tries)
            if pause is None:
                visit.gives_up(error)
                raise error from error.__cause__
        yield Ask(partial(visit.pause, pause))
