"""A local stand-in for an API Gateway REST API: it does what an OpenAPI document with API Gateway's extensions says."""
