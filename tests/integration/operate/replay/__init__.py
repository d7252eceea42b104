"""Replay on real servers."""
