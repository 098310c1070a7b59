"""Octets on the wire: ICMP echo, STAMP and its TLVs. Sans-I/O: octets in, values out."""
