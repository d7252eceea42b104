"""How a worker learns of a pause."""

import threading

from dropslot.runtimes.kcl.pause import PauseThread


class Table:
    """Answers as told, and says when it was asked."""

    def __init__(self, answer: bool | None) -> None:
        self.answer = answer
        self._asked = threading.Semaphore(0)

    def ask(self) -> bool | None:
        """Answer."""
        self._asked.release()
        return self.answer

    def await_asked(self) -> None:
        """Wait until an answer that was given after this call has been taken."""
        while self._asked.acquire(blocking=False):
            pass
        for _ in range(2):  # the first may have been given before
            assert self._asked.acquire(timeout=10)


def test_a_start_knows_of_a_pause() -> None:
    """Given a pause, it is known before anything is started."""
    with PauseThread(Table(answer=True).ask) as pause:
        assert pause.paused()


def test_a_table_that_does_not_say_changes_nothing() -> None:
    """Given no answer, a worker goes on as it was: it runs if it knows of no pause, and stays paused if it does."""
    table = Table(answer=None)
    with PauseThread(table.ask, look_seconds=0.01) as pause:
        assert not pause.paused()
        table.answer = True
        table.await_asked()
        table.answer = None
        table.await_asked()
        assert pause.paused()
        table.answer = False
        table.await_asked()
        assert not pause.paused()
