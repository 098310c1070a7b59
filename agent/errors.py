"""The error the agent's commands report to a person."""


class ProbeError(Exception):
    """A user's mistake or a missing right: the text says what and the remedy."""
