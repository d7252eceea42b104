"""The HTTP contract as data: an OpenAPI document with API Gateway's extensions, its templates, and their loader."""
