"""Answers: outages, tickets, notices, escalation and runbooks.

May import `agent`, `collectors`, `device_configs`, `timeseries` and `inventory`; called by
`analysis` and `pasprobe.py`.
"""
