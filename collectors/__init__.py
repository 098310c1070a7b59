"""Asks: the SNMP state of PIX and ASA firewalls and of switches.

May import `inventory` and `timeseries`; called by `incidents` and `pasprobe.py`. Still empty: the
work is planned as the issue "SNMP collectors".
"""
