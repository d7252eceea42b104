"""Replay: reads change records again, says how each one's request stands, and redrives what needs it."""
