"""The outages (disservizi) of the example, written by hand: some in time, some late.

A line is `id | services | pas | severity | opened | reported | responded | restored | closed |
affected | cause`, and what else there is as `name=value`. Times are local to the PAS; `+90` is 90
minutes after the opening. The titles say which place of the annex a group shows.
"""

from __future__ import annotations

from datetime import datetime, timedelta

TICKETS = """
# 3.1, 3.2: one access fault hits three services (C13); L3 blocking within 8 h, 99.9 % missed
T-1101 | ip-base;ip-qos;voip | roma-01 | blocking | 2011-05-12T10:05 | +6 | +31 | +310 | +340 | 1 | fibre cut by road works | expected_at=2011-05-12T16:00
T-1102 | ip-base | bruxelles-01 | blocking | 2011-06-07T22:40 | +5 | +40 | +55 | +690 | 1 | power supply of the access router | comment=service back in an hour, acceptance of the closure only in the morning (E9)
T-1103 | ip-base | roma-01 | non-blocking | 2011-06-01T11:00 | +10 | +45 | 2011-06-06T17:00 | 2011-06-07T10:00 | 1 | errors on the backup line | comment=2 June is a holiday
T-1104 | ip-base | bruxelles-01 | non-blocking | 2011-07-19T09:30 | +10 | +50 | 2011-07-22T15:00 | 2011-07-22T17:00 | 1 | errors on one of two lines | comment=21 July is a holiday
T-1105 | ip-base | milano-01 | blocking | 2011-05-24T07:10 | +55 | +100 | 2011-05-25T18:30 | 2011-05-26T09:00 | 1 | card of the access router | expected_at=2011-05-25T20:00
T-1106 | ip-base;voip | tokyo-01 | blocking | 2011-05-02T18:20 | +10 | +48 | +90 | 2011-05-09T11:00 | 1 | line down after a storm | comment=3 to 5 May are holidays
T-1107 | ip-base | washington-01 | blocking | 2011-05-26T14:00 | +5 | +95 | +240 | 2011-06-02T12:00 | 1 | routing error after a change
T-1108 | ip-base | milano-01 | non-blocking | 2011-08-11T10:00 | +15 | +40 | 2011-08-18T14:00 | 2011-08-18T16:00 | 1 | slow line | comment=15 August is a holiday
T-1109 | ip-base;voip | washington-01 | non-blocking | 2011-07-01T10:00 | +20 | +65 | 2011-07-11T18:00 | 2011-07-12T11:00 | 1 | one of two lines down | comment=4 July is a holiday
T-1110 | ip-base | cairo-01 | blocking | 2011-06-09T16:00 | +12 | +58 | 2011-06-12T11:00 | 2011-06-16T10:00 | 1 | radio link of the last mile | comment=the weekend is Friday and Saturday
T-1111 | ip-base | buenos-aires-01 | blocking | 2011-07-04T03:00 | +310 | +350 | 2011-07-08T08:00 | 2011-07-08T18:00 | 1 | antenna out of line | expected_at=2011-07-07T18:00
T-1112 | ip-base | buenos-aires-01 | non-blocking | 2011-05-23T09:00 | +30 | +75 | 2011-06-02T16:00 | 2011-06-03T10:00 | 1 | interference | comment=25 May is a holiday
T-1113 | ip-base | osaka-01 | blocking | 2011-07-20T09:00 | +10 | +40 | +300 | 2011-07-28T10:00 | 1 | access router | comment=late, and not charged before 2011-3 (G4)
T-1114 | ip-base | cairo-01 | non-blocking | 2011-07-20T11:00 | +10 | +50 | 2011-07-26T10:00 | 2011-07-26T13:00 | 1 | slow line
T-1115 | ip-base;ip-qos | milano-01 | non-blocking | 2011-04-29T15:00 | +10 | +45 | 2011-05-04T10:00 | 2011-05-04T12:00 | 1 | wrong queue on one class | comment=opened in the period before (E8)
T-1116 | ip-qos;voip | roma-01 | blocking | 2011-08-31T22:30 | +5 | +35 | 2011-09-01T01:10 | 2011-09-01T02:00 | 1 | software of the core router | comment=split at the end of the period (C4), closed in the next (E8)
T-1120 | ip-qos | tokyo-01 | blocking | 2011-06-21T10:00 | +10 | +50 | 2011-06-22T13:00 | 2011-06-24T10:00 | 1 | tunnel down | comment=98.98 % rounds to 99 % (A2)
T-1121 | ip-qos | cairo-01 | blocking | 2011-06-27T10:00 | +10 | +45 | +120 | 2011-06-28T12:00 | 1 | tunnel down
T-1122 | ip-qos | bruxelles-01 | blocking | 2011-08-17T09:00 | +5 | +30 | +100 | +600 | 1 | tunnel down
T-1123 | ip-qos | roma-01;milano-01 | non-blocking | 2011-07-27T10:00 | +5 | +50 | 2011-07-29T12:00 | 2011-07-29T15:00 | 2 | marking lost between two routers | comment=one event for each level (E1)
# 4: firewalls
T-1130 | security-standard | milano-01 | blocking | 2011-05-17T11:00 | +10 | +35 | +180 | 2011-05-19T10:00 | 1 | firewall restarted again and again
T-1131 | security-standard | tokyo-01 | blocking | 2011-07-15T16:00 | +10 | +45 | 2011-07-16T10:00 | 2011-07-16T14:00 | 1 | disk of the firewall
T-1132 | security-standard | tokyo-01 | non-blocking | 2011-08-02T11:00 | +10 | +55 | 2011-08-04T10:00 | 2011-08-04T15:00 | 1 | log server not reached
T-1133 | security-standard | cairo-01 | blocking | 2011-08-07T12:00 | +10 | +85 | +200 | 2011-08-16T12:00 | 1 | licence ran out
T-1134 | security-standard | milano-01 | non-blocking | 2011-06-14T09:00 | +5 | +30 | 2011-06-16T18:00 | 2011-06-17T09:00 | 1 | one of two units down
T-1140 | security-strong | roma-01 | blocking | 2011-06-14T23:10 | +5 | +30 | +150 | +200 | 1 | failover did not work
T-1141 | security-strong | bruxelles-01 | blocking | 2011-06-18T22:10 | +5 | +20 | +130 | +150 | 1 | new software, as agreed | comment=excluded by X-1 (C6)
T-1142 | security-strong | bruxelles-01 | blocking | 2011-07-05T08:00 | +10 | +50 | 2011-07-06T20:00 | 2011-07-08T09:00 | 1 | only a part of the rules in force | severity_provider=non-blocking | severity_administration=blocking | comment=disputed (C8)
T-1143 | security-strong | washington-01 | non-blocking | 2011-05-11T10:00 | +10 | +40 | 2011-05-13T12:00 | 2011-05-13T15:00 | 1 | high load
T-1144 | security-strong | roma-01 | non-blocking | 2011-08-22T10:00 | +10 | +30 | 2011-08-25T18:00 | 2011-08-26T10:00 | 1 | wrong time in the logs
# 5: voice; that of Cairo ends on 31 July, so its window is 92 days (C5)
T-1150 | voip | milano-01 | blocking | 2011-06-23T09:00 | +5 | +40 | +240 | 2011-06-27T10:00 | 1 | gateway
T-1151 | voip | cairo-01 | blocking | 2011-05-15T08:30 | +10 | +50 | 2011-05-19T12:00 | 2011-05-19T13:00 | 1 | gateway had to be sent
T-1152 | voip | buenos-aires-01 | non-blocking | 2011-08-01T10:00 | +20 | +60 | 2011-08-10T18:00 | 2011-08-11T11:00 | 1 | echo
T-1153 | voip | roma-01 | non-blocking | 2011-07-13T10:00 | +5 | +25 | 2011-07-14T12:00 | 2011-07-14T16:00 | 1 | no caller number shown
T-1154 | voip | buenos-aires-01 | blocking | 2011-06-13T08:00 | +20 | +55 | 2011-06-13T20:00 | 2011-06-15T10:00 | 1 | gateway
# 6.1: e-mail: the share of outages restored in time; Unified Messaging by event
T-1180 | email | | blocking | 2011-05-19T08:30 | +5 | +30 | +95 | +130 | 480 | full disk of the mail store
T-1181 | email | | blocking | 2011-06-16T13:00 | +10 | +85 | +320 | +700 | 320 | directory damaged
T-1182 | email | | non-blocking | 2011-07-07T10:00 | +15 | +55 | 2011-07-08T12:00 | 2011-07-08T14:00 | 12 | web access slow
T-1183 | email | | non-blocking | 2011-08-03T09:00 | +10 | +40 | 2011-08-04T11:00 | 2011-08-05T10:00 | 30 | junk filter too strict
T-1184 | email | | non-blocking | 2011-05-30T15:00 | +10 | +50 | 2011-05-31T10:00 | 2011-05-31T12:00 | 8 | mailboxes over quota
T-1185 | email | | blocking | 2011-07-22T18:00 | +5 | +25 | +50 | +80 | 60 | one of eight stores down
T-1186 | email | | non-blocking | 2011-08-18T11:00 | +10 | +45 | 2011-08-19T10:00 | 2011-08-19T12:00 | 20 | address book out of date
T-1187 | email | | non-blocking | 2011-06-28T09:00 | +10 | +40 | 2011-06-29T17:00 | 2011-06-30T10:00 | 15 | calendar not shared
T-1190 | unified-messaging | | blocking | 2011-05-25T14:00 | +5 | +25 | +30 | +50 | 120 | voice mail did not answer
T-1191 | unified-messaging | | blocking | 2011-07-14T09:00 | +5 | +40 | +45 | +620 | 40 | fax gateway
T-1192 | unified-messaging | | non-blocking | 2011-08-16T10:00 | +10 | +50 | 2011-08-17T11:00 | 2011-08-17T15:00 | 25 | late notices
# 6.2, 6.3: video
T-1160 | video-collaboration | milano-01 | blocking | 2011-05-30T10:00 | +5 | +30 | +90 | 2011-06-01T11:00 | 1 | camera
T-1161 | video-collaboration | washington-01 | blocking | 2011-06-28T09:00 | +10 | +45 | +220 | +800 | 1 | bridge | comment=99.876 % rounds to 99.9 % (A2), and restored too late
T-1162 | video-collaboration | tokyo-01 | non-blocking | 2011-08-08T10:00 | +10 | +55 | 2011-08-11T15:00 | 2011-08-12T11:00 | 1 | no shared screen
T-1163 | video-collaboration | roma-01 | blocking | 2011-07-25T15:00 | +5 | +25 | +170 | +200 | 1 | licence server
T-1170 | video-conference | roma-01 | blocking | 2011-06-10T12:00 | +5 | +20 | +60 | +70 | 1 | codec
T-1171 | video-conference | bruxelles-01 | blocking | 2011-07-12T10:00 | +5 | +45 | +400 | +580 | 1 | codec
T-1172 | video-conference | milano-01 | non-blocking | 2011-08-24T10:00 | +10 | +50 | 2011-08-30T18:00 | 2011-08-31T11:00 | 1 | poor sound
T-1173 | video-conference | milano-01 | blocking | 2011-05-09T09:00 | +5 | +50 | +180 | 2011-05-10T12:00 | 1 | codec
# 6.4: mobility: an outage of all units, one of a few
T-1200 | mobile-intranet | | blocking | 2011-06-06T09:00 | +10 | +50 | +1560 | +1590 | 150 | gateway of the mobile network
T-1201 | mobile-intranet | | non-blocking | 2011-07-18T10:00 | +10 | +40 | 2011-07-19T12:00 | 2011-07-19T15:00 | 20 | slow at peak hours
T-1202 | mobile-intranet | | blocking | 2011-08-23T08:00 | +10 | +40 | +150 | +180 | 30 | certificates ran out
T-1210 | mobile-satellite | | blocking | 2011-08-09T12:00 | +15 | +55 | +300 | +330 | 3 | beam switched off
T-1211 | mobile-satellite | | non-blocking | 2011-05-16T10:00 | +10 | +100 | 2011-05-19T18:00 | 2011-05-20T10:00 | 2 | terminal not registered
# 7: the monitoring system has the availability, devices have the restoration (C9)
T-1220 | workstation-management | | blocking | 2011-05-05T08:00 | +20 | +60 | +1140 | +1160 | | remote control down | component=monitoring
T-1221 | workstation-management | roma-01 | blocking | 2011-06-20T09:30 | +10 | +30 | 2011-06-21T11:00 | 2011-06-21T12:00 | 1 | workstation does not start | component=device
T-1222 | workstation-management | milano-01 | blocking | 2011-07-11T10:00 | +10 | +50 | 2011-07-13T17:00 | 2011-07-14T10:00 | 1 | disk of a workstation | component=device
T-1223 | workstation-management | cairo-01 | non-blocking | 2011-08-10T10:00 | +10 | +45 | 2011-08-14T11:00 | 2011-08-14T13:00 | 1 | printer not found | component=device
T-1230 | lan-management | | blocking | 2011-06-11T02:00 | +15 | +45 | +200 | +230 | | poller down | component=monitoring
T-1231 | lan-management | tokyo-01 | blocking | 2011-05-10T09:00 | +10 | +40 | 2011-05-10T19:00 | 2011-05-11T10:00 | 1 | switch of the second floor | component=device
T-1232 | lan-management | washington-01 | non-blocking | 2011-07-06T10:00 | +10 | +50 | 2011-07-08T18:00 | 2011-07-11T10:00 | 1 | fan of a switch | component=device
T-1233 | lan-management | roma-01 | blocking | 2011-08-02T10:00 | +5 | +35 | 2011-08-03T15:00 | 2011-08-04T09:00 | 1 | switch of the meeting rooms | component=device
T-1240 | system-management | | blocking | 2011-07-20T20:00 | +10 | +40 | +120 | +150 | | agent manager down | component=monitoring
T-1241 | system-management | roma-01 | blocking | 2011-05-18T09:00 | +5 | +35 | 2011-05-20T09:00 | 2011-05-20T10:00 | 1 | storage of a server | component=device
T-1242 | system-management | milano-01 | non-blocking | 2011-06-13T11:00 | +10 | +50 | 2011-06-14T10:00 | 2011-06-14T12:00 | 1 | backup failed | component=device
T-1243 | system-management | roma-01 | non-blocking | 2011-08-29T11:00 | +10 | +50 | 2011-08-30T10:00 | 2011-08-30T12:00 | 1 | one of two power supplies | component=device
T-1250 | asset-management | | blocking | 2011-08-04T00:00 | +480 | +520 | +1800 | +1920 | | inventory not reachable
T-1251 | asset-management | | non-blocking | 2011-06-29T10:00 | +10 | +50 | 2011-07-01T18:00 | 2011-07-04T10:00 | | wrong counts in one list
T-1252 | asset-management | | non-blocking | 2011-05-11T10:00 | +10 | +50 | 2011-05-12T18:00 | 2011-05-13T10:00 | | slow search
"""  # noqa: E501
COLUMNS = (
    "id", "service", "pas", "severity", "opened_at", "reported_at", "responded_at", "restored_at",
    "closed_at", "affected", "cause", "component", "severity_provider", "severity_administration",
    "expected_at", "comment",
)  # fmt: skip
_BY_HAND = 11
_TIMES = range(5, 9)


def tickets() -> list[dict[str, str]]:
    """The rows of tickets.csv, by their ids."""
    rows = []
    for line in TICKETS.strip().splitlines():
        if line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("|")]
        opened = datetime.fromisoformat(cells[4])
        for index in _TIMES:
            if cells[index].startswith("+"):
                at = opened + timedelta(minutes=int(cells[index]))
                cells[index] = at.isoformat(timespec="minutes")
        row = dict.fromkeys(COLUMNS, "") | dict(zip(COLUMNS, cells[:_BY_HAND], strict=False))
        row |= dict(cell.split("=", 1) for cell in cells[_BY_HAND:])
        rows.append(row)
    return sorted(rows, key=lambda row: row["id"])
