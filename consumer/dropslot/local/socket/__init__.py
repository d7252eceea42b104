"""A local WebSocket API: serves connections as API Gateway does, and invokes the socket function in processes."""
