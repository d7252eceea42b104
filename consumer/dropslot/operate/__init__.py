"""What operators do with a running pipeline: look, count, export, delete, retry."""
