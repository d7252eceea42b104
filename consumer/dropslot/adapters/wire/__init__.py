"""Calls of AWS over plain connections: importing and starting an SDK takes most of a cold start."""
