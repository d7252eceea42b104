"""Entry point of the function behind the sweep's schedule: `dropslot_sweep.handler`."""

import os

from dropslot.runtimes.lambda_.sweep import sweep_function

#: Called with event and context; what it needs is made at the first call and kept.
handler = sweep_function(os.environ)
