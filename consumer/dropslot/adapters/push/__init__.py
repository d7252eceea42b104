"""Frames to connections: API Gateway's management API, without an SDK, and its memory twin."""
