"""The outside hosts of a consumer: each runs the engine where its records arrive."""
