"""Requests, deliveries and exclusions of the example, written by hand.

A line of REQUESTS is `id | service | kind | pas | requested | validated | done | outcome`, and what
else there is as `name=value`. Times are local to the PAS, without one to the contract.
"""

from __future__ import annotations

REQUESTS = """
# 4.1: 8 h to validate, 12 h to implement, in window hours of working days (B1)
R-2001 | security-standard | policy-implementation-time | milano-01 | 2011-05-04T09:00 | 2011-05-04T15:30 | 2011-05-05T11:00 | done
R-2002 | security-standard | policy-implementation-time | tokyo-01 | 2011-05-02T16:00 | 2011-05-06T11:00 | 2011-05-10T10:00 | done
R-2003 | security-standard | policy-implementation-time | cairo-01 | 2011-06-09T15:00 | 2011-06-12T13:00 | 2011-06-13T12:00 | done
R-2004 | security-standard | policy-implementation-time | milano-01 | 2011-07-06T10:00 | | | rejected | notified_at=2011-07-06T13:00 | reason=opens a port to any address
R-2005 | security-standard | policy-implementation-time | tokyo-01 | 2011-08-31T17:00 | 2011-09-01T09:00 | 2011-09-01T16:00 | done
R-2006 | security-standard | policy-implementation-time | milano-01 | 2011-08-09T14:00 | 2011-08-09T18:00 | 2011-08-10T09:30 | done
# 4.2 with help desk on site: 3 h and 5 h (E11)
R-2010 | security-strong | policy-implementation-time | roma-01 | 2011-05-10T10:00 | 2011-05-10T12:10 | 2011-05-10T16:40 | done
R-2011 | security-strong | policy-implementation-time | bruxelles-01 | 2011-06-01T16:00 | 2011-06-01T21:30 | 2011-06-03T09:00 | done
R-2012 | security-strong | policy-implementation-time | washington-01 | 2011-07-12T09:00 | 2011-07-12T11:45 | 2011-07-12T16:45 | done
R-2013 | security-strong | policy-implementation-time | roma-01 | 2011-08-16T09:00 | | | rejected | notified_at=2011-08-16T11:00 | reason=the same rule is in force already
R-2020 | security-strong | unavailability-notification-time | roma-01 | 2011-06-14T23:10 | | 2011-06-14T23:19 | done
R-2021 | security-strong | unavailability-notification-time | bruxelles-01 | 2011-07-05T08:00 | | 2011-07-05T08:52 | done
R-2022 | security-strong | unavailability-notification-time | bruxelles-01 | 2011-06-18T22:10 | | 2011-06-18T22:14 | done
R-2030 | security-strong | incident-reaction-time | roma-01 | 2011-05-20T03:12 | | 2011-05-20T03:23 | done
R-2031 | security-strong | incident-reaction-time | washington-01 | 2011-06-25T14:40 | | 2011-06-25T15:14 | done
R-2032 | security-strong | incident-reaction-time | bruxelles-01 | 2011-08-12T11:05 | | 2011-08-12T11:20 | done
# 5, 6.2, 6.3: 12 h for a change of configuration
R-2040 | voip | configuration-change-time | roma-01 | 2011-05-16T09:00 | | 2011-05-16T17:30 | done
R-2041 | voip | configuration-change-time | milano-01 | 2011-06-01T15:00 | | 2011-06-06T18:00 | done
R-2042 | voip | configuration-change-time | tokyo-01 | 2011-07-15T16:00 | | 2011-07-19T15:00 | done
R-2043 | voip | configuration-change-time | buenos-aires-01 | 2011-08-03T10:00 | | | rejected | notified_at=2011-08-03T15:00 | reason=no number of that range is free
R-2050 | video-collaboration | configuration-change-time | milano-01 | 2011-05-19T10:00 | | 2011-05-20T09:00 | done
R-2051 | video-collaboration | configuration-change-time | tokyo-01 | 2011-07-08T14:00 | | 2011-07-12T13:00 | done
R-2052 | video-collaboration | configuration-change-time | washington-01 | 2011-06-10T09:00 | | 2011-06-10T20:30 | done
R-2053 | video-collaboration | configuration-change-time | roma-01 | 2011-08-30T10:00 | | | rejected | notified_at=2011-08-30T12:00 | reason=the bridge does not offer it
R-2060 | video-conference | configuration-change-time | bruxelles-01 | 2011-05-31T09:00 | | 2011-06-03T12:00 | done
R-2061 | video-conference | configuration-change-time | milano-01 | 2011-07-04T10:00 | | 2011-07-04T19:00 | done
R-2062 | video-conference | configuration-change-time | roma-01 | 2011-08-22T16:00 | | 2011-08-23T15:59 | done
# 6.1: 2 h for a mailbox
R-2070 | email | account-operation-time | | 2011-05-03T09:00 | | 2011-05-03T10:20 | done | operation=activation
R-2071 | email | account-operation-time | | 2011-05-13T11:00 | | 2011-05-13T11:25 | done | operation=password-reset
R-2072 | email | account-operation-time | | 2011-06-16T13:30 | | 2011-06-16T20:10 | done | operation=activation
R-2073 | email | account-operation-time | | 2011-06-16T15:00 | | 2011-06-16T19:40 | done | operation=block
R-2074 | email | account-operation-time | | 2011-06-21T15:00 | | | rejected | notified_at=2011-06-21T15:40 | operation=deactivation | reason=the mailbox is shared by an office
R-2075 | email | account-operation-time | | 2011-07-05T09:30 | | 2011-07-05T11:30 | done | operation=deactivation
R-2076 | email | account-operation-time | | 2011-07-19T18:00 | | 2011-07-19T18:12 | done | operation=block
R-2077 | email | account-operation-time | | 2011-08-05T22:50 | | 2011-08-06T08:10 | done | operation=password-reset
R-2078 | email | account-operation-time | | 2011-08-23T10:00 | | 2011-08-23T11:10 | done | operation=activation
# 7.1: days by date (B7); a limit in hours with a penalty in days (E7)
R-2080 | workstation-management | remote-software-restoration-time | | 2011-05-09T10:00 | | 2011-05-11T17:00 | done
R-2081 | workstation-management | remote-software-restoration-time | | 2011-06-01T10:00 | | 2011-06-08T12:00 | done
R-2082 | workstation-management | remote-software-restoration-time | | 2011-08-02T10:00 | | 2011-08-03T16:00 | done
R-2083 | workstation-management | software-distribution-time | | 2011-05-16T09:00 | | 2011-05-19T18:00 | done | operation=market
R-2084 | workstation-management | software-distribution-time | | 2011-07-12T09:00 | | 2011-07-18T12:00 | done | operation=custom
R-2085 | workstation-management | software-distribution-time | | 2011-08-24T09:00 | | | rejected | notified_at=2011-08-24T14:00 | operation=custom | reason=the package was not signed
R-2086 | workstation-management | supplier-activation-time | | 2011-06-20T10:00 | | 2011-06-20T11:15 | done
R-2087 | workstation-management | supplier-activation-time | | 2011-07-11T11:00 | | 2011-07-13T09:00 | done
R-2088 | workstation-management | supplier-activation-time | | 2011-08-10T12:00 | | 2011-08-10T15:30 | done
# 7.2
R-2090 | lan-management | supplier-activation-time | | 2011-05-10T10:00 | | 2011-05-10T11:50 | done
R-2091 | lan-management | supplier-activation-time | | 2011-07-06T17:00 | | 2011-07-07T10:00 | done
R-2092 | lan-management | supplier-activation-time | | 2011-08-02T11:00 | | 2011-08-02T12:30 | done
# 7.3
R-2100 | system-management | supplier-activation-time | | 2011-05-18T09:30 | | 2011-05-18T11:00 | done
R-2101 | system-management | supplier-activation-time | | 2011-08-12T16:00 | | 2011-08-17T10:00 | done
R-2102 | system-management | software-distribution-time | | 2011-06-06T09:00 | | 2011-06-09T20:00 | done | operation=market
R-2103 | system-management | software-distribution-time | | 2011-07-18T09:00 | | 2011-07-22T11:00 | done | operation=custom
R-2104 | system-management | remote-software-restoration-time | | 2011-05-20T10:00 | | 2011-05-26T18:00 | done
R-2105 | system-management | remote-software-restoration-time | | 2011-07-21T10:00 | | 2011-07-29T12:00 | done
R-2106 | system-management | remote-software-restoration-time | | 2011-08-30T09:00 | | | pending
R-2110 | asset-management | inventory-update-time | | 2011-05-25T12:00 | | 2011-05-27T17:00 | done
R-2111 | asset-management | inventory-update-time | | 2011-06-28T12:00 | | 2011-07-04T09:00 | done
R-2112 | asset-management | inventory-update-time | | 2011-08-08T12:00 | | 2011-08-09T12:00 | done
# 8.2: months by the bandwidth, then solar days; 9 Mbps has no limit (F5)
R-2120 | provisioning | local-provisioning | osaka-01 | 2011-03-01T10:00 | | 2011-06-14T16:00 | done | bandwidth_mbps=4
R-2121 | provisioning | local-provisioning | milano-01 | 2011-02-10T10:00 | | 2011-05-30T12:00 | done | bandwidth_mbps=40
R-2122 | provisioning | local-provisioning | bruxelles-01 | 2011-05-05T10:00 | | 2011-08-18T12:00 | done | bandwidth_mbps=9
R-2123 | provisioning | centralised-provisioning | roma-01 | 2011-05-02T10:00 | | 2011-07-09T11:00 | done
R-2124 | provisioning | centralised-provisioning | milano-01 | 2011-06-01T10:00 | | 2011-07-15T11:00 | done
R-2125 | provisioning | internal-move | tokyo-01 | 2011-06-20T10:00 | | 2011-07-12T17:00 | done
R-2126 | provisioning | internal-move | washington-01 | 2011-04-30T10:00 | | 2011-06-02T10:00 | done
R-2127 | provisioning | external-move | cairo-01 | 2011-05-16T10:00 | | 2011-07-18T12:00 | done | bandwidth_mbps=4
R-2128 | provisioning | external-move | washington-01 | 2011-04-04T10:00 | | 2011-07-29T12:00 | done | bandwidth_mbps=10
R-2129 | provisioning | internal-move | milano-01 | 2011-07-12T10:00 | | 2011-08-11T12:00 | done
"""  # noqa: E501
REQUEST_COLUMNS = (
    "id", "service", "kind", "pas", "requested_at", "validated_at", "done_at", "outcome", "reason",
    "bandwidth_mbps", "notified_at", "operation",
)  # fmt: skip

DELIVERIES = """
technical   | 2010-11 | 2010-12-14T16:00
technical   | 2010-12 | 2011-01-14T15:00
technical   | 2011-01 | 2011-02-15T12:00
technical   | 2011-02 | 2011-03-14T17:00
technical   | 2011-03 | 2011-04-15T09:00
technical   | 2011-04 | 2011-05-13T16:30
contractual | 2011-1  | 2011-05-24T11:00
technical   | 2011-05 | 2011-06-15T23:40
technical   | 2011-06 | 2011-07-20T10:00
technical   | 2011-07 | 2011-08-12T15:00
technical   | 2011-08 | 2011-09-14T10:00
contractual | 2011-2  | 2011-09-19T16:00
"""
DELIVERY_COLUMNS = ("report", "period", "delivered_at")

EXCLUSIONS = """
X-1 | security-strong | bruxelles-01 | 2011-06-18T22:00 | 2011-06-19T02:00 | new software on the firewall | contract office
"""  # noqa: E501
EXCLUSION_COLUMNS = ("id", "service", "pas", "start", "end", "reason", "agreed_by")


def requests() -> list[dict[str, str]]:
    """The rows of requests.csv."""
    rows = []
    for cells in cells_of(REQUESTS):
        row = dict.fromkeys(REQUEST_COLUMNS, "") | dict(
            zip(REQUEST_COLUMNS, cells[:8], strict=False)
        )
        rows.append(row | dict(cell.split("=", 1) for cell in cells[8:]))
    return rows


def plain(text: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a table that stands above as it is."""
    return [dict(zip(columns, cells, strict=True)) for cells in cells_of(text)]


def cells_of(text: str) -> list[list[str]]:
    """The cells of each line that is no title."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [[cell.strip() for cell in line.split("|")] for line in lines]
