"""The whole system on one machine, with nothing installed but Python.

`hub dev` (`command.py`) reads top down: `launcher.py` decides what runs, `child.py` keeps one process alive,
`guard.py` outlives a killed launcher. `postgres.py` and `redis.py` are the embedded servers, used by the tests too.
Nothing outside this package imports it: production finds its Postgres and Redis in the settings.
"""
