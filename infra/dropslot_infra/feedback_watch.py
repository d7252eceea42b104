"""What to watch where outcomes are pushed: alarms and graphs, none of them urgent, since clients that ask are told."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_

from dropslot_infra.alarms import AlarmSpec
from dropslot_infra.dashboard import graph

_FIVE: Final = Duration.minutes(5)
#: Whoever waits at a screen has asked by then.
PUSH_LIMIT_MS: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackWatch:
    """Watches over both functions.

    Args:
        socket: notes who waits.
        notify: pushes.
    """

    socket: lambda_.IFunction
    notify: lambda_.IFunction

    def alarms(self) -> Sequence[AlarmSpec]:
        """Return what keeps clients from being told."""
        return (
            AlarmSpec(
                name="SocketErrors",
                metric=self.socket.metric_errors(statistic="Sum", period=_FIVE),
                threshold=1,
                periods=3,
                reason="Clients can't connect, or can't say what they wait for. Requests are processed all the same.",
                remedy="look at what the socket's function logs, and whether the table of connections can be reached.",
            ),
            AlarmSpec(
                name="NotifyErrors",
                metric=self.notify.metric_errors(statistic="Sum", period=_FIVE),
                threshold=1,
                periods=3,
                reason="Outcomes aren't pushed. Clients that ask still get them.",
                remedy="look at what that function logs, and whether the table of connections can be reached.",
            ),
            AlarmSpec(
                name="NotifyLate",
                metric=self._age(),
                threshold=PUSH_LIMIT_MS,
                periods=3,
                reason="Outcomes are pushed a minute late or more. Clients that ask get them at once.",
                remedy="see whether the function that pushes is throttled; more shards share the work, too.",
            ),
        )

    def widgets(self) -> Sequence[cloudwatch.IWidget]:
        """Return how clients fare that wait on a WebSocket."""
        return (
            graph(
                "Feedback: calls and errors",
                [
                    self.socket.metric_invocations(statistic="Sum", label="connections and messages"),
                    self.socket.metric_throttles(statistic="Sum", label="connections and messages turned away"),
                    self.notify.metric_invocations(statistic="Sum", label="batches of outcomes"),
                    self.socket.metric_errors(statistic="Sum", label="errors of the socket"),
                    self.notify.metric_errors(statistic="Sum", label="errors of pushing"),
                ],
            ),
            graph("Feedback: oldest outcome yet to be pushed, ms", [self._age()]),
        )

    def _age(self) -> cloudwatch.Metric:
        return self.notify.metric("IteratorAge", statistic="Maximum", period=_FIVE, label="oldest outcome")
