"""The query API: questions over HTTP, with tokens and roles, described by OpenAPI at /api/v1/openapi.json."""
