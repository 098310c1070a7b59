"""Remembers: records, the durable spool, the embedded store, roll-ups, reading back.

A record is in the spool before anything else happens to it. Imports none of our rooms; `agent`,
`collectors`, `incidents` and `analysis` call it. Touches files under one data
directory, and the InfluxDB that is configured.
"""
