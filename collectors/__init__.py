"""Asks: the SNMP state of PIX and ASA firewalls and of switches.

May import `inventory` and `timeseries`; called by `incidents` and `pasprobe.py`. From the wire up:
`snmp` with its clients, `poller` (when), `asking` (what), `profiles` and `discovery` (of whom),
`counters` and `readings` (raw answers to records, pure), `events` (states that matter), `device`
(one device's life), `service` (all of them). `pasprobe run` has them polled by the agent, which
knows nothing of this room: `pasprobe.py` hands `service.polling_order` over.
"""
