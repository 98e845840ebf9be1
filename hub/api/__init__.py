"""The HTTP API, one module per resource. Each declares its operations; `app` mounts them, `openapi` describes them."""
