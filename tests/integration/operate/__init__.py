"""Operators' commands on a real table; a package, so that its tests share what helps them."""
