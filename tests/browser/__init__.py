"""The example page, in a real browser, on a running local stack."""
