"""What `examples/make_facts.py` writes: events by hand, counters and tables by a fixed rule."""
