"""The agent as a service: plans, resolves, records, reports on itself. `life` is its door.

The engine and the reflector run in processes of their own."""
