"""What runs requests, over ports: window, writer, sweep, shard."""
