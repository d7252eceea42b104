"""Entry point of the function behind the stream's second mapping: `dropslot_notify.handler`."""

import os

from dropslot.runtimes.lambda_.notify import notify_function

#: Called with event and context; what it needs is made at the first call and kept.
handler = notify_function(os.environ)
