"""The local stack: the whole pipeline on one machine, on loopback only, for development and tests."""
