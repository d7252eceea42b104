"""Faults against the whole pipeline on the local stack, and a ledger that says what became of each request."""
