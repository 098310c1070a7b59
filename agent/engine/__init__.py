"""The probe engine: trains in, samples out. `loop` is its door; one thread, no asyncio."""
