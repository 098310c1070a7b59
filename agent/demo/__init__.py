"""The demo: five emulated access profiles on loopback, measured by the real engine."""
