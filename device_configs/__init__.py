"""Restores: templates, backups, differences, restores and access blocks of PIX, ASA and switches.

May import `inventory` only; called by `incidents` and `pasprobe.py`. Still empty: the work is
planned as the issue "Device configurations".
"""
