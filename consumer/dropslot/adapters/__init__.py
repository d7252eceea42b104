"""The ports' real sides, each beside its memory twin."""
