"""Measures: probe trains on a host at the PAS, the STAMP reflector, the lab and the daemon.

From `inventory` paths to finished `timeseries` records. Everything between packets and records is
pure functions over arrays; sockets, clocks and processes are thin shells around them.
May import `inventory` and `timeseries`; `incidents` and `pasprobe.py` call it.
"""
