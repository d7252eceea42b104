"""The demonstration behind `make run`: real requests through the whole local pipeline, and what became of them."""
