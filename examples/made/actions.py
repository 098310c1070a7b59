"""What was done about each finding of the four months ([R-2-7]), written by hand.

A line is `months | service | finding | action | by | due | done`. An action answers a finding that
its text names by the id of the parameter or of the event. One finding of August has none (R-2088),
to show what the report says then.
"""

from __future__ import annotations

from made.records import cells_of

COLUMNS = ("month", "service", "finding", "action", "by", "due", "done")
ACTIONS = """
05 | ip-base | unit-availability at roma-01 (T-1101) and milano-01 (T-1105), packet-loss at milano-01 with it | second fibre by another street; a spare card kept on site | access team | 2011-07-15 | 2011-07-08
06 | ip-base | unit-availability at bruxelles-01 (T-1102) and cairo-01 (T-1110), packet-loss at cairo-01 and tokyo-01 | second power supply; radio link aligned; a faulty port in Tokyo changed | access team | 2011-07-01 | 2011-06-30
06 | ip-base | restoration-time: T-1102, T-1103, T-1107, T-1110, T-1112 closed late | acceptance is asked for by telephone, at night too | service desk | 2011-06-30 | 2011-06-28
07 | ip-base | unit-availability and packet-loss at buenos-aires-01 (T-1111), packet-loss at osaka-01 (T-1113) | antenna fixed anew, its mount checked every month | access team | 2011-08-05 | 2011-08-03
07 | ip-base | restoration-time: T-1109 and T-1113 closed late | acceptance of a closure asked for on the same day | service desk | 2011-08-15 | 2011-08-12
05 06 07 08 | ip-base | round-trip-delay at milano-01 at noon, at buenos-aires-01 just below its share | more bandwidth for milano-01; another satellite beam from October on | capacity team | 2011-09-30 |
05 | ip-qos | unit-availability at roma-01 (T-1101), packet-loss towards it on those days | second fibre by another street | access team | 2011-07-15 | 2011-07-08
06 | ip-qos | unit-availability at tokyo-01 (T-1120) with packet-loss of its pairs, restoration-time of the same ticket | tunnels watched by keep-alives, rebuilt without waiting | core team | 2011-07-04 | 2011-07-01
08 | ip-qos | unit-availability at bruxelles-01 (T-1122) and roma-01 (T-1116), restoration-time of T-1122 | software of the core routers renewed | core team | 2011-09-16 |
07 08 | ip-qos | packet-loss between milano-01 and tokyo-01 | queue lengths changed on the trunk; a second trunk is ordered | capacity team | 2011-09-30 |
05 06 07 08 | ip-qos | end-to-end-max-delay between cairo-01 and roma-01 | route by the southern cable asked for | capacity team | 2011-09-30 |
05 | security-standard | policy-implementation-time of R-2002 after the holidays | a second operator may put rules into force | security desk | 2011-06-10 | 2011-06-06
06 | security-standard | policy-validation-time of R-2003 over the weekend of Cairo | the desk knows the calendars of all countries | security desk | 2011-06-30 | 2011-06-27
07 | security-standard | unit-availability and restoration-time at tokyo-01 (T-1131) | spare disk kept on site | access team | 2011-08-12 | 2011-08-10
08 | security-standard | restoration-time of T-1133 | licences renewed a month before they end | security desk | 2011-09-09 | 2011-09-05
06 | security-strong | unit-availability at roma-01 (T-1140) | failover tried every quarter | security desk | 2011-07-15 | 2011-07-13
06 | security-strong | policy-validation-time and policy-implementation-time of R-2011, incident-reaction-time of R-2031 | the evening shift has a second operator | security desk | 2011-07-04 | 2011-07-04
07 | security-strong | unit-availability, restoration-time and unavailability-notification-time at bruxelles-01 (T-1142, R-2021) | rules compared after each change, notice sent by the monitor itself | security desk | 2011-08-19 | 2011-08-17
08 | security-strong | restoration-time of T-1144 | time servers watched | security desk | 2011-09-16 |
05 | voip | unit-availability at cairo-01 (T-1151) and roma-01 (T-1101) | none for Cairo, whose service ends in July; second fibre in Rome | access team | 2011-07-15 | 2011-07-08
06 | voip | unit-availability at milano-01 (T-1150), configuration-change-time of R-2041 | spare gateway; changes are planned before holidays | voice team | 2011-07-15 | 2011-07-11
07 | voip | restoration-time of T-1109 | acceptance of a closure asked for on the same day | service desk | 2011-08-15 | 2011-08-12
08 | voip | unit-availability at roma-01 (T-1116), restoration-time of T-1152 | software of the core routers renewed | core team | 2011-09-16 |
05 06 07 08 | voip | call-success-rate: trunk to the public network full in the morning | thirty more channels | voice team | 2011-09-30 |
05 06 07 08 | voip | one-way-delay between roma-01 and tokyo-01, jitter between milano-01 and washington-01 | voice queue measured hop by hop, one hop mended, one to come | capacity team | 2011-09-30 |
05 06 07 | voip | packet-loss at cairo-01 | line kept until the service ends | voice team | 2011-07-31 | 2011-07-31
05 06 | email | overall-availability after T-1180 and T-1181 | store enlarged, directory kept twice | mail team | 2011-07-08 | 2011-07-06
06 | email | restoration-time of T-1181, account-operation-time of R-2072 and R-2073 during it | directory kept twice | mail team | 2011-07-08 | 2011-07-06
05 06 07 08 | unified-messaging | um-message-delivery-time: the fax gateway queues at noon | second gateway | mail team | 2011-09-30 |
07 | unified-messaging | um-restoration-time of T-1191 | second gateway | mail team | 2011-09-30 |
05 06 07 08 | video-collaboration | one-way-delay and jitter of the pairs with tokyo-01 | a relay in Tokyo | video team | 2011-09-30 |
05 06 07 08 | video-collaboration | packet-loss at roma-01 and washington-01, on the calls between them | video moved to the class of voice on that trunk | capacity team | 2011-09-15 |
06 | video-collaboration | unit-availability and restoration-time at washington-01 (T-1161) | second bridge | video team | 2011-07-22 | 2011-07-20
07 | video-collaboration | unit-availability at roma-01 (T-1163), configuration-change-time of R-2051 | licence server kept twice; changes planned with the holidays of Japan | video team | 2011-08-19 | 2011-08-16
05 07 | video-conference | call-success-rate: calls fail while a codec is down | spare codec in each room | video team | 2011-09-15 |
05 06 07 08 | video-conference | one-way-delay, jitter and packet-loss between bruxelles-01 and milano-01 | line of another carrier ordered | capacity team | 2011-09-30 |
06 | video-conference | unit-availability at roma-01 (T-1170), configuration-change-time of R-2060 | spare codec; changes planned before holidays | video team | 2011-07-15 | 2011-07-12
07 | video-conference | unit-availability and restoration-time at bruxelles-01 (T-1171) | spare codec | video team | 2011-08-12 | 2011-08-09
08 | video-conference | restoration-time of T-1172 | microphones changed | video team | 2011-09-16 |
06 | mobile-intranet | overall-availability and restoration-time after T-1200 | second gateway to the mobile network | mobile team | 2011-08-01 | 2011-07-28
05 | mobile-satellite | restoration-time of T-1211 | terminals registered before they are handed out | mobile team | 2011-06-15 | 2011-06-10
05 | workstation-management | overall-availability of the remote control (T-1220) | second server of the remote control | systems team | 2011-06-17 | 2011-06-15
06 | workstation-management | remote-software-restoration-time of R-2081 | images kept at each site | systems team | 2011-07-15 | 2011-07-14
07 | workstation-management | workstation-restoration-time (T-1222), software-distribution-time (R-2084), supplier-activation-time (R-2087) | suppliers called by the ticket system itself | systems team | 2011-08-19 | 2011-08-18
07 | lan-management | network-device-restoration-time (T-1232), supplier-activation-time (R-2091) | spare fans on site; suppliers called by the ticket system itself | systems team | 2011-08-19 | 2011-08-18
08 | lan-management | network-device-restoration-time of T-1233 | spare switch on site | systems team | 2011-09-09 | 2011-09-07
05 | system-management | server-restoration-time of T-1241 | spare disks on site | systems team | 2011-06-17 | 2011-06-16
07 | system-management | software-distribution-time (R-2103), remote-software-restoration-time (R-2105) | packages tried on a test server first | systems team | 2011-08-19 | 2011-08-18
08 | system-management | supplier-activation-time of R-2101 | suppliers named a contact for holidays | systems team | 2011-09-09 | 2011-09-06
07 | asset-management | asset-restoration-time (T-1251), inventory-update-time (R-2111) | new contracts are entered by the contract office | systems team | 2011-08-12 | 2011-08-11
08 | asset-management | asset-availability after T-1250 | data base moved to the second site | systems team | 2011-09-16 |
05 06 08 | call-center | waiting-time and lost-calls on the day of an outage | announcement of known outages at the entry of the line | service desk | 2011-09-15 |
05 06 08 | call-center | outage-response-time above 60 minutes | first diagnosis by the operator who takes the call | service desk | 2011-09-15 |
05 06 | provisioning | internal-move R-2126, local-provisioning R-2120 | carriers reminded two weeks before the date | delivery team | 2011-07-15 | 2011-07-15
07 | provisioning | centralised-provisioning R-2123, external-move R-2127 | carriers reminded two weeks before the date | delivery team | 2011-08-15 | 2011-08-15
05 | reporting | contractual-report-deadline of 2011-1 | reports are drawn up by pasprobe from the first day of the month | contract office | 2011-06-01 | 2011-06-01
07 | reporting | technical-report-deadline of 2011-06 | a deputy may send reports | contract office | 2011-08-01 | 2011-07-25
"""  # noqa: E501


def actions() -> list[dict[str, str]]:
    """The rows of actions.csv, by month."""
    rows = [
        dict(zip(COLUMNS, (f"2011-{month}", *cells), strict=True))
        for months, *cells in cells_of(ACTIONS)
        for month in months.split()
    ]
    return sorted(rows, key=lambda row: row["month"])
