"""Devices to test against: an emulator of our own, FRR behind a real sshd, an sshd of old times.

Loaded by its path from tests/conftest.py; imports nothing of pasprobe. See emulator.py.
"""

from .emulator import Box, Cut, Device, Entry, Fault, Flow, Interface, Management, Refused

__all__ = ["Box", "Cut", "Device", "Entry", "Fault", "Flow", "Interface", "Management", "Refused"]
