"""The consumer on Lambda: batches of the stream by a mapping, the sweep by a schedule."""
