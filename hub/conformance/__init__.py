"""Does it speak hub.v1? Checks for any server, and a scripted server for any client.

    python -m hub.conformance server https://hub.example.com --api-key hub_… --jwt-secret …
    python -m hub.conformance client --port 9000

The first publishes to users of its own and reports rule by rule. The second misbehaves as real networks and deployments
do, one scenario per path, and reports at /report what the client that was pointed at it made of it.
"""
