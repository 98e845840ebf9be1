"""The commands of `hub`, by what they act on: a node, credentials, or a running hub as its client."""
