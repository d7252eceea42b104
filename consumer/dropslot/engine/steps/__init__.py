"""Durable steps inside a handler: what is finished is kept, and undone if the request fails for good."""
