"""The rules of the annex as pure functions: times, shares, availability, euro; all of them exact.

Called by `analysis.evaluation` with plain values: instants in UTC nanoseconds, local dates,
counters, limits from the catalogue. Nothing in here reads a file, a clock or the configuration.
Deviation steps are in `analysis.steps`. Each function names the lines of the annex "Livelli di
servizio e penali" that it comes from, and the readings (as B4) that decide what they leave open.
"""
