"""The readings of the annex that the verdicts of this program rest on, in words for a report.

The annex can be read in more than one way in these places; another reading gives other figures.
"""

from __future__ import annotations

from collections.abc import Mapping

READINGS: Mapping[str, str] = {
    "A1": "A deviation counts as many steps as it holds: whole steps, and the rest by the bands "
    "of line 125.",
    "A2": "The printed bound (2.49, 0.49, 0.249, 0.049, 0.0249) still rounds to nothing; anything "
    "above it is one step more, on the exact value.",
    "A3": "The deviation is rounded, not the measured percentage; all arithmetic is exact.",
    "A4": "A deviation to the favourable side is no step and no credit.",
    "A6": "Packets of the whole period are pooled; nothing is rounded before the deviation.",
    "A7": "Where nothing was counted there is no value and no penalty: no data.",
    "D1": "The share within a delay limit is of the packets received; a lost packet counts as "
    "lost, and not again as too slow.",
    "D2": "A limit is kept by a figure equal to it.",
    "D3": "Base means terrestrial: a pair with a base-satellite PAS belongs to “altri casi”.",
    "D5": "Jitter is the mean of the readings; a reading is the mean absolute delay variation of "
    "consecutive received packets of one train (RFC 3393), on the round trip. Only completed "
    "milliseconds of excess are steps.",
    "D11": "A one-way limit is held against one-way delays, both directions pooled; round trips "
    "are never halved.",
}
"""Number of the reading -> what it says."""
