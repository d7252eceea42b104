"""End-to-end tests; a package, so that its one running stack is started for this folder only and ends with it."""
