"""Everything that leaves the building: e-mail, SMS, push and webhooks, sent once and retried wisely.

The rule: Postgres decides, RQ is the doorbell. Read `relay` (what is due), then `jobs` (claim, decide, send, record),
then `policy` and `retry` (the two pure decisions) and one provider edge, for instance `sms`.
"""
