"""The files of an archive (`docs/archive.md` has them in words)."""

from __future__ import annotations

FORMAT = 1
"""Of the files below; another layout has another number."""

ABOUT = "archive.json"
RESULT = "result.json"
README = "README.txt"
MANIFEST = "SHA256SUMS"
"""As `sha256sum` writes it; names every file but itself."""

CONTRACT = "inputs/pasprobe.toml"
CATALOGUE = "inputs/catalogue/"
FACTS_FILES = "inputs/facts/"
"""The facts folder, byte by byte."""
FACTS = "inputs/facts.json"
"""What was read from it: instants in UTC nanoseconds."""
TRAFFIC = "inputs/traffic.json"
GAPS = "inputs/gaps.json"
OUTAGES_SEEN = "inputs/outages-seen.json"
DEVICES = "inputs/devices.json"
"""Polled devices of a month; not there where none was."""
READINGS = "inputs/readings.json"
CALENDARS = "inputs/calendars.json"
ZONES = "inputs/zones.json"

ROLLUPS = "store/rollups.parquet"
REPORTS = "reports/"
INDEX = "index.html"
PAGES = "pages/"
