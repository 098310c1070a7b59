"""`pasprobe demo` as a user runs it: real packets through real links, judged from the store."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import pytest

from agent import summary
from agent.daemon.reading import assignments
from agent.demo import run as demo
from agent.demo.far_side import running_lab
from agent.errors import ProbeError
from agent.samples import ClockState, ReflectorFacts, Status, TrainPlan, TrainSamples
from agent.summary import TrainContext, summarise
from analysis.catalogue_rows import load_catalogue
from analysis.evidence import gather
from analysis.verdict import judge_all
from timeseries.errors import InUseError
from timeseries.reader import EmbeddedReader
from timeseries.spool import Spool

MS = 1_000_000
PROGRAM = (sys.executable, "-P", "-c", "import pasprobe; pasprobe.main()", "demo")
BREACHING = "washington-01"
SECONDS = "7"


@dataclass(frozen=True)
class Run:
    """One finished demo."""

    folder: Path
    result: dict[str, object]
    said: str


def run_demo(*words: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, *PROGRAM, *words], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("demo") / "out"
    done = run_demo("--output", str(folder), "--seconds", SECONDS, "--json")
    assert done.returncode == 0, done.stderr
    return Run(folder, json.loads(done.stdout), done.stderr)


def verdicts(run: Run) -> list[dict[str, object]]:
    found = run.result["verdicts"]
    assert isinstance(found, list)
    return found


def far_end(verdict: dict[str, object]) -> object:
    return verdict["peer"] or verdict["pas"]


def test_every_far_profile_is_judged_as_ip_base_and_as_a_voip_pair(run: Run) -> None:
    judged = {(far_end(v), v["service"], v["parameter"]) for v in verdicts(run)}
    for site in demo.FAR:
        assert {(site.pas, "ip-base", "round-trip-delay"), (site.pas, "ip-base", "packet-loss")} | {
            (site.pas, "voip", name) for name in ("one-way-delay", "jitter", "packet-loss")
        } <= judged
    assert sorted(site.profile for site in demo.FAR) == ["base", "base-satellite", "high", "medium"]


def test_the_breaching_link_is_found_and_no_other_delay_is_beyond_its_limit(run: Run) -> None:
    shares = {
        (far_end(v), v["parameter"]): Fraction(str(v["measured"]))
        for v in verdicts(run)
        if str(v["parameter"]).endswith("-delay")
    }
    for (pas, _), share in shares.items():
        assert (share < 99) == (pas == BREACHING), (pas, share)
    for verdict in verdicts(run):
        if far_end(verdict) == BREACHING and str(verdict["parameter"]).endswith("-delay"):
            # On a machine that is too busy for its schedule, honesty comes first.
            assert verdict["outcome"] in ("not met", "insufficient")


def test_the_verdicts_are_those_of_the_store_and_not_of_memory(run: Run) -> None:
    ports = {site.pas: 1 for site in demo.FAR}
    own = run.result["agent"]
    assert isinstance(own, dict)
    configuration = demo.configuration(ports, run.folder, icmp=f"{demo.HOME.pas}/ip-base" in own)
    from_ns, to_ns = run.result["from_ns"], run.result["to_ns"]
    assert isinstance(from_ns, int)
    assert isinstance(to_ns, int)
    evidence = gather(EmbeddedReader(run.folder), own, from_ns, to_ns)
    again = judge_all(configuration, load_catalogue(), evidence)
    assert [(v.subject.path, v.parameter, v.outcome, v.counted.part, v.counted.whole, v.steps)
            for v in again] == [
        (v["path"], v["parameter"], v["outcome"], v["counted"]["part"], v["counted"]["whole"],
         v["steps"])
        for v in verdicts(run)
    ]  # fmt: skip
    for path, one in evidence.items():
        assert sum(rollup.planned for rollup in one.rollups) == len(one.trains), path
        assert sum(r.sent for r in one.rollups) == sum(t.sent for t in one.valid)


def test_everything_is_in_parquet_when_the_demo_is_over(run: Run) -> None:
    for kind in ("trains", "samples", "rollups", "plans"):
        assert list((run.folder / "store" / kind).rglob("*.parquet")), kind


def test_both_ends_read_one_clock_and_the_records_say_so(run: Run) -> None:
    trains = list(EmbeddedReader(run.folder).trains(f"{demo.HOME.pas}/voip/bruxelles-01"))
    assert trains
    for train in trains:
        assert train.one_way_error_ns == 0
        assert train.one_way_judged
        assert "same-clock" in train.flags
        assert train.forward is not None
        assert train.backward is not None
        # The link of the lab never takes less than its fixed part, in either direction.
        assert min(train.forward.min_ns or 0, train.backward.min_ns or 0) >= 8 * MS


def test_the_report_is_one_file_with_a_plot_for_every_path(run: Run) -> None:
    page = (run.folder / "report.html").read_text()
    assert run.result["report"] == str(run.folder / "report.html")
    paths = run.result["agent"]
    assert isinstance(paths, dict)
    titles = re.findall(r'<title id="[^"]+">([^:]+): delay', page)
    assert set(titles) == set(paths)
    assert sum("/voip/" in title for title in titles) == 2 * len(demo.FAR)
    assert not re.search(r'(src|href)="(?!#)', page)


def test_progress_goes_to_standard_error_in_plain_lines(run: Run) -> None:
    assert "\x1b" not in run.said
    assert re.search(rf"^  \d of {SECONDS} s: \d+ packets sent, \d+ answered$", run.said, re.M)


def test_a_user_without_any_right_leaves_icmp_out_and_says_why(
    need: Callable[..., None], tmp_path: Path
) -> None:
    need("setpriv")
    group_range = Path("/proc/sys/net/ipv4/ping_group_range").read_text().split()
    if int(group_range[0]) <= os.getgid() <= int(group_range[1]):
        pytest.skip("ping_group_range allows this user ICMP without any capability")
    drop = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
    done = run_demo(
        "--output", str(tmp_path / "out"), "--seconds", "6", "--json",
        before=(*drop, *(("--no-new-privs",) if drop else ())),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "without ICMP: the kernel allows this user no ICMP socket" in done.stderr
    result = json.loads(done.stdout)
    assert f"{demo.HOME.pas}/ip-base" not in result["agent"]
    assert any("ping_group_range" in note for note in result["notes"])
    assert {far for v in result["verdicts"] if (far := far_end(v))} == {s.pas for s in demo.FAR}


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    done = run_demo("--output", str(tmp_path))
    assert done.returncode == 2
    assert "is not empty and was not made by `pasprobe demo`" in done.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_earlier_demo_is_replaced_and_nothing_beside_it(tmp_path: Path) -> None:
    demo.claim(tmp_path)
    with Spool(tmp_path / "spool.sqlite"):
        pass
    (tmp_path / "store" / "trains").mkdir(parents=True)
    (tmp_path / "mine.txt").write_text("kept")
    demo.claim(tmp_path)
    assert not list(tmp_path.glob("spool.sqlite*"))
    assert not (tmp_path / "store").exists()
    assert (tmp_path / "mine.txt").read_text() == "kept"


def test_a_demo_that_still_runs_is_not_replaced(tmp_path: Path) -> None:
    demo.claim(tmp_path)
    with Spool(tmp_path / "spool.sqlite"), pytest.raises(InUseError):
        demo.claim(tmp_path)
    assert (tmp_path / "spool.sqlite").exists()


def test_a_folder_that_cannot_be_written_is_named() -> None:
    with pytest.raises(ProbeError, match=r"^/proc/pasprobe: .*--output"):
        demo.claim(Path("/proc/pasprobe"))


def test_a_lab_that_does_not_start_is_named_with_its_reason() -> None:
    with (
        pytest.raises(ProbeError, match="there is no profile 'nonsense'"),
        running_lab({"x": "nonsense"}, 1),
    ):
        pytest.fail("there is no such lab")


def test_the_lab_ends_with_the_demo_and_tells_its_counters() -> None:
    with running_lab({"one": "high", "two": "base-breach"}, 1) as lab:
        assert len(set(lab.ports.values())) == 2
    assert set(lab.counters) == {"one", "two"}
    assert lab.counters["one"]["forward"]["received"] == 0


def test_an_interrupted_demo_leaves_no_lab_behind(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*PROGRAM, "--output", str(tmp_path / "out"), "--seconds", "60"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        for line in process.stderr:
            if "packets sent" in line:
                break
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert children
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(30) == 130
    assert "Traceback" not in rest
    for child in children:
        assert not Path(f"/proc/{child}").exists()


def test_the_demo_is_judged_by_the_limits_of_each_profile() -> None:
    ports = {site.pas: 1 for site in demo.FAR}
    configuration = demo.configuration(ports, Path("data"), icmp=True)
    found = assignments(configuration, load_catalogue(), {})
    assert {path: (one.context.limit_ns or 0) // MS for path, one in found.items()} == {
        "roma-01/ip-base": 300,
        "bruxelles-01/ip-base": 300,
        "roma-01/voip/bruxelles-01": 150,
        "washington-01/ip-base": 400,
        "roma-01/voip/washington-01": 180,
        "buenos-aires-01/ip-base": 500,
        "roma-01/voip/buenos-aires-01": 250,
        "nairobi-01/ip-base": 900,
        "roma-01/voip/nairobi-01": 350,
    }


def stamp_samples(forward_ms: int, backward_ms: int) -> TrainSamples:
    """Two packets over STAMP; neither end has a synchronised clock."""
    plan = TrainPlan("p", "stamp", "127.0.0.1", 2, 20 * MS, 44, 1_000 * MS)
    samples = TrainSamples.empty(plan, 10**18, ClockState(synchronised=False, error_ns=None))
    samples.status[:] = Status.RECEIVED
    samples.tx_ns[:] = (10**18, 10**18 + 20 * MS)
    samples.t2_ns[:] = samples.tx_ns + forward_ms * MS
    samples.t3_ns[:] = samples.t2_ns + MS
    samples.rx_ns[:] = samples.t3_ns + backward_ms * MS
    samples.reflector = ReflectorFacts(
        stateful=True, swapped=False, synchronised=False, error_ns=None, follow_up=False,
        ssid_echoed=True,
    )  # fmt: skip
    return samples


PAIR = TrainContext(
    agent="a", pas="a", service="voip", peer="b", endpoint="", target="127.0.0.1",
    limit_ns=150 * MS, limit_on="one-way", same_clock=True,
)  # fmt: skip


def test_one_clock_at_both_ends_has_no_error_even_when_nobody_sets_it() -> None:
    record = summarise(stamp_samples(10, 200), PAIR)
    assert (record.one_way_error_ns, record.one_way_judged) == (0, True)
    assert record.forward is not None
    assert record.backward is not None
    assert (record.forward.within_limit, record.backward.within_limit) == (2, 0)
    assert summary.SAME_CLOCK in record.flags
    assert summary.CLOCK_UNSYNCHRONISED in record.flags


def test_without_that_word_two_unsynchronised_ends_are_not_judged() -> None:
    record = summarise(stamp_samples(10, 10), replace(PAIR, same_clock=False))
    assert (record.forward, record.one_way_error_ns, record.one_way_judged) == (None, None, False)
    assert summary.SAME_CLOCK not in record.flags


def test_a_delay_below_zero_proves_that_it_is_not_one_clock() -> None:
    record = summarise(stamp_samples(-1, 20), PAIR)
    assert (record.forward, record.one_way_judged) == (None, False)
    assert summary.SAME_CLOCK not in record.flags
