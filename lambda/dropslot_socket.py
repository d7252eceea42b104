"""Entry point of the function behind the WebSocket API: `dropslot_socket.handler`."""

import os

from dropslot.runtimes.lambda_.web_socket import socket_function

#: Called with event and context; what it needs is made at the first call and kept.
handler = socket_function(os.environ)
