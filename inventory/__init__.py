"""What there is: PAS, paths, devices, the contract, calendars.

Reads TOML into frozen models and says what is wrong in it, with file, line and remedy. Every other
room may import this one; it imports none of ours and touches nothing but the configuration files
and the secrets they refer to.
"""
