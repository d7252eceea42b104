"""What the functions of feedback work with, over connections that outlive an invocation."""

import ssl
from collections.abc import Mapping
from functools import cache
from typing import Self

import msgspec

from dropslot.adapters.push.management import ManagementPusher
from dropslot.adapters.requests.standings import DirectStandings
from dropslot.adapters.watches.dynamodb import DynamoDBWatches
from dropslot.adapters.wire.connections import Connections
from dropslot.core.errors import ConfigurationError
from dropslot.engine.feedback_ports import Pusher, Standings, Watches
from dropslot.runtimes.lambda_.direct import SDK_VARIABLES, TLS_VARIABLES, DirectWay
from dropslot.runtimes.lambda_.feedback_settings import FeedbackSettings


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """The real sides of feedback's ports.

    Args:
        watches: the table of connections.
        standings: the table of requests.
        pusher: the API's connections.
    """

    watches: Watches
    standings: Standings
    pusher: Pusher

    @classmethod
    def open(cls, environment: Mapping[str, str], settings: FeedbackSettings) -> Self:
        """Return them.

        Args:
            environment: of the process.
            settings: of the function.

        Raises:
            ConfigurationError: only an SDK would find the way to AWS; these functions have none, since somebody waits.
        """
        way = DirectWay.find(environment, settings.region)
        if way is None:
            raise ConfigurationError(
                f"AWS can't be reached without an SDK in region {settings.region}: set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, as Lambda does, and AWS_ENDPOINT_URL_DYNAMODB where the endpoint isn't called "
                f"dynamodb.<region>.amazonaws.com, and none of {', '.join((*SDK_VARIABLES, *TLS_VARIABLES))}"
            )
        tls = cache(ssl.create_default_context)
        dynamodb = Connections(way.dynamodb_url, tls=tls)
        scheme, _, rest = settings.callback_url.partition("://")
        host, slash, path = rest.partition("/")
        return cls(
            watches=DynamoDBWatches(way.table(settings.connections, dynamodb)),
            standings=DirectStandings(way.table(settings.table, dynamodb)),
            pusher=ManagementPusher(
                Connections(f"{scheme}://{host}", tls=tls),
                stage_path=f"{slash}{path}",
                region=way.region,
                credentials=way.credentials,
            ),
        )
