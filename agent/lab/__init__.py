"""Emulated links: `link` decides (pure, seeded), `relay` and `tun` carry the packets."""
