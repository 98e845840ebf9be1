"""Every SQL statement of delivery, by who needs it: worker, relay, timers, API."""
