"""Restores: templates, backups, differences, restores and access blocks of PIX, ASA and switches.

May import `inventory` only; called by `incidents` and `pasprobe.py`. Sessions with devices are in
`session` (over `terminal`, `wire`, `telnet`), what is kept in `history`; plans are pure.
"""
