"""Entry point of the function behind the stream's mapping: `dropslot_stream.handler`."""

import gc
import os

# Nothing that is imported here ever becomes garbage: looking for some takes a sixth of a cold start.
gc.disable()

from dropslot.runtimes.lambda_.stream import stream_function  # noqa: E402 - see above

gc.freeze()
gc.enable()

#: Called with event and context; what it needs is made at the first call and kept.
handler = stream_function(os.environ)
