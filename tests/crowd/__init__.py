"""A crowd of clients, each with a connection of its own, on one running stack."""
