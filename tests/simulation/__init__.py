"""The seeded simulation: the real core, engine, sweep and record processor under one scheduler with virtual time."""
