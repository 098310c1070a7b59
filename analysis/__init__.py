"""Judges: the SLA catalogue, verdicts, penalties and every printed page.

Pure functions over records and catalogue rows. May import `incidents` (tickets), `timeseries` and
`inventory`; only `pasprobe.py` calls it.
"""
