"""A local event source mapping: reads the stream, invokes the Lambda consumer's functions in their own processes."""
