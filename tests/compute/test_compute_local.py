"""Jobs on this machine: how they go, how they are stopped, and what happens when a process dies under them."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from engines.result import Result
from tests.compute import odd_worker
from tests.compute.odd_worker import seed_of
from workbench.compute import crew
from workbench.compute.local import ComputeError, Handle, LocalCompute
from workbench.compute.log import log_file
from workbench.compute.messages import Cancelled, Event, Failed, Finished, Job, Progress, Started

GUARD = 60.0
ARGMAX = "attention.argmax"


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCompute]:
    """Workers that can be told to misbehave, with folders of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crew, "WORKER", odd_worker.WORKER)
        home = tmp_path_factory.mktemp("odd")
        for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(home / name))
        compute = LocalCompute()
        compute.start()
        compute.ask(task="describe", reuse=False, timeout=GUARD)
        yield compute
        compute.close()


numbers = iter(range(1_000_000))


def job(behaviour: Callable[[Any], Any] | None = None, **more: Any) -> Job:
    seed = {"seed": seed_of(behaviour)} if behaviour else {}
    return Job(**({"id": f"job {next(numbers)}", "engine": ARGMAX, "device": "cpu"} | seed | more))


def started(compute: LocalCompute, behaviour: Callable[[Any], Any]) -> Handle:
    """A job that is running."""
    handle = compute.submit(job(behaviour))
    assert isinstance(handle.next_event(timeout=GUARD), Started)
    return handle


def ending(handle: Handle) -> Event:
    """How a job ends."""
    try:
        return handle.finished(timeout=GUARD)
    except ComputeError as error:
        return error.event


def assert_well(compute: LocalCompute) -> None:
    """The next job is done as if nothing had happened."""
    assert compute.ask(engine=ARGMAX, device="cpu", reuse=False, timeout=GUARD).output["values"]["winner"] == 1


def children(pid: int) -> set[int]:
    """The processes below one."""
    found: set[int] = set()
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return found
    for child in map(int, listed):
        found |= {child, *children(child)}
    return found


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in ("Z", "X")


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + GUARD
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def nursery_of(compute: LocalCompute) -> int:
    assert compute._crew.nursery is not None
    return compute._crew.nursery.pid


def worker_of(compute: LocalCompute, handle: Handle) -> int:
    """The process in which a job runs."""
    (pid,) = [worker.child.pid.result() for worker in compute._crew.workers if worker.handle is handle]
    return pid


def workers_of(compute: LocalCompute) -> list[int]:
    return [worker.child.pid.result(timeout=GUARD) for worker in compute._crew.workers]


# -- a job from beginning to end


def test_a_job_tells_where_it_runs_and_what_it_gave(odd: LocalCompute) -> None:
    seen: list[Event] = []
    threads = set()

    def told(event: Event) -> None:
        seen.append(event)
        threads.add(threading.current_thread())

    handle = odd.submit(job(params={"query": [1.0, 1.0, 2.0]}, threads=1), told)
    done = handle.finished(timeout=GUARD)
    first = handle.next_event(timeout=GUARD)
    assert isinstance(first, Started)
    assert (first.device, first.dtype, first.threads) == ("cpu", "float64", 1)
    assert first.device_name.startswith("CPU")
    assert (done.device, done.dtype, done.stored_at) == ("cpu", "float64", None)
    assert done.elapsed >= 0
    assert Result.from_plain(done.output).values["output"].tolist() == [1.0, 4.0, 3.0]
    assert seen[0] is first
    assert seen[-1] is done
    assert {event.job_id for event in seen if not hasattr(event, "pid")} == {handle.job.id}
    assert threading.current_thread() not in threads


def test_the_dtype_is_the_one_asked_for(odd: LocalCompute) -> None:
    done = odd.ask(engine=ARGMAX, device="cpu", dtype="float32", reuse=False, timeout=GUARD)
    assert done.dtype == "float32"
    assert done.output["values"]["output"].dtype == "float32"


def test_auto_is_told_as_the_device_that_it_was(odd: LocalCompute) -> None:
    done = odd.ask(engine=ARGMAX, device="auto", reuse=False, timeout=GUARD)
    described = odd.ask(task="describe", reuse=False, timeout=GUARD).output
    assert done.device == described["auto"]
    assert described["devices"][0]["device"] == "cpu"
    assert done.device in [device["device"] for device in described["devices"]]


def test_a_draw_depends_on_its_seed_alone(odd: LocalCompute) -> None:
    drawn = [
        odd.ask(task="draw", engine=ARGMAX, seed=seed, device="cpu", reuse=False, timeout=GUARD).output
        for seed in (1, 2, 1)
    ]
    assert drawn[0] == drawn[2] != drawn[1]


def test_what_was_computed_once_is_there_at_once(odd: LocalCompute) -> None:
    first = odd.ask(engine=ARGMAX, params={"query": [2.0, 1.0, 0.0]}, device="cpu", timeout=GUARD)
    again = odd.submit(job(params={"query": [2.0, 1.0, 0.0]}), reuse=True)
    assert isinstance(again.ending, Finished), "without asking anybody"
    assert again.ending.stored_at is not None
    assert again.ending.output == first.output
    assert again.ending.job_id == again.job.id
    other = odd.ask(engine=ARGMAX, params={"query": [2.0, 1.0, 0.5]}, device="cpu", timeout=GUARD)
    assert other.stored_at is None
    fresh = odd.submit(job(params={"query": [2.0, 1.0, 0.0]}))
    assert fresh.finished(GUARD).stored_at is None, "unless a run of one's own is asked for"


def test_two_jobs_run_side_by_side_and_a_third_waits(odd: LocalCompute) -> None:
    first, second = started(odd, odd_worker.report_for_ever), started(odd, odd_worker.report_for_ever)
    third, fourth = odd.submit(job()), odd.submit(job())
    fourth.cancel()
    assert isinstance(ending(fourth), Cancelled), "one that waits is cancelled at once"
    assert first.ending is None
    assert second.ending is None
    assert third.ending is None
    first.cancel()
    assert isinstance(ending(first), Cancelled)
    assert isinstance(ending(third), Finished)
    assert second.ending is None
    second.cancel()
    assert isinstance(ending(second), Cancelled)


def test_progress_comes_while_a_job_runs(odd: LocalCompute) -> None:
    handle = started(odd, odd_worker.report_for_ever)
    event = handle.next_event(timeout=GUARD)
    assert isinstance(event, Progress)
    assert (event.fraction, event.message) == (0.5, "on its way")
    handle.cancel()
    ending(handle)


def test_many_threads_may_submit(odd: LocalCompute) -> None:
    results: queue.SimpleQueue[Finished] = queue.SimpleQueue()

    def ask(number: int) -> None:
        results.put(odd.ask(engine=ARGMAX, params={"query": [1.0, 1.0, 2.0 + number]}, device="cpu", timeout=GUARD))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    scores = {results.get().output["values"]["scores"].tolist()[3] for _ in threads}
    assert scores == {2.0 + i for i in range(8)}


def test_a_listener_that_fails_harms_nobody(odd: LocalCompute) -> None:
    def broken(_: Event) -> None:
        raise ValueError("no screen any more")

    assert isinstance(ending(odd.submit(job(), broken)), Finished)
    assert_well(odd)
    assert "no screen any more" in Path(log_file()).read_text()


# -- stopping


@pytest.mark.parametrize("behaviour", [odd_worker.report_for_ever, odd_worker.never_report, odd_worker.never_listen])
def test_a_running_job_can_be_stopped_whatever_it_does(behaviour: Callable[[Any], Any], odd: LocalCompute) -> None:
    handle = started(odd, behaviour)
    before = workers_of(odd)
    handle.cancel()
    assert ending(handle) == Cancelled(handle.job.id)
    assert_well(odd)
    if behaviour is odd_worker.report_for_ever:
        assert set(before) <= set(workers_of(odd)), "one that listens is kept, warm"
    else:
        wait_until(lambda: any(gone(pid) for pid in before))


def test_a_job_whose_process_answers_nothing_at_all_can_be_stopped(odd: LocalCompute) -> None:
    handle = started(odd, odd_worker.never_report)
    os.kill(worker_of(odd, handle), signal.SIGSTOP)
    handle.cancel()
    assert isinstance(ending(handle), Cancelled)
    assert_well(odd)


def test_stopping_twice_or_too_late_is_nothing(odd: LocalCompute) -> None:
    handle = started(odd, odd_worker.never_report)
    handle.cancel()
    handle.cancel()
    assert isinstance(ending(handle), Cancelled)
    handle.cancel()
    done = odd.submit(job())
    assert isinstance(ending(done), Finished)
    done.cancel()
    assert isinstance(done.ending, Finished)
    assert_well(odd)


def test_who_waits_no_longer_stops_the_job(odd: LocalCompute) -> None:
    with pytest.raises(TimeoutError):
        odd.ask(engine=ARGMAX, seed=seed_of(odd_worker.never_report), device="cpu", timeout=0.01)
    assert_well(odd)
    wait_until(lambda: all(worker.handle is None for worker in odd._crew.workers))


# -- failing


def failed(compute: LocalCompute, behaviour: Callable[[Any], Any] | None = None, **more: Any) -> Failed:
    event = ending(compute.submit(job(behaviour, **more)))
    assert isinstance(event, Failed), event
    return event


def test_what_cannot_be_done_is_told_with_its_kind(odd: LocalCompute) -> None:
    unknown = failed(odd, engine="attention.none")
    assert (unknown.kind, unknown.message) == ("unknown_engine", "there is no engine attention.none")
    bad = failed(odd, params={"query": [1.0]})
    assert bad.kind == "bad_parameters"
    assert "keys[0]" in bad.message
    nowhere = failed(odd, device="cuda:99")
    assert nowhere.kind == "no_device"
    assert "'cuda:99'" in nowhere.message
    assert "cpu" in nowhere.message
    for device in ("gpu", "cpu:7", "meta", "", "cuda:x"):
        assert failed(odd, device=device).kind == "no_device"
    assert failed(odd, task="draw", engine="none.such").kind == "unknown_engine"


def test_an_engine_that_fails_is_told_in_one_line(odd: LocalCompute) -> None:
    assert failed(odd, odd_worker.fail).message == "ZeroDivisionError: division by zero"
    refused = failed(odd, odd_worker.refuse)
    assert (refused.kind, refused.message) == ("error", "two keys share the largest score: change one")
    assert failed(odd, odd_worker.exit_quietly).kind == "error"
    assert failed(odd, odd_worker.return_something_else).kind == "error"
    assert_well(odd)


def test_out_of_memory_comes_with_what_to_make_smaller(odd: LocalCompute) -> None:
    event = failed(
        odd, odd_worker.exhaust, engine="training.zero_grad", params={"steps": 3000, "width": 64}, device="auto"
    )
    assert event.kind == "out_of_memory"
    assert event.message
    assert event.advice.startswith("make it smaller: steps = 3000, width = 64, batch_size = 50")
    described = odd.ask(task="describe", reuse=False, timeout=GUARD).output
    assert ("device cpu" in event.advice) == (described["auto"] != "cpu"), "advice that can be followed"


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        (odd_worker.die, "SIGKILL, perhaps by the system for lack of memory"),
        (odd_worker.die_oddly, "signal 40"),
        (odd_worker.leave, "status 3"),
        (odd_worker.babble, "no message"),
    ],
)
def test_a_worker_that_dies_is_told_and_replaced(behaviour: Callable[[Any], Any], says: str, odd: LocalCompute) -> None:
    before = set(workers_of(odd))
    event = failed(odd, behaviour)
    assert event.kind == "worker_died"
    if behaviour is not odd_worker.babble:  # that one is killed for it, which may be what is told
        assert says in event.message
    assert "run it again" in event.advice
    assert_well(odd)
    assert set(workers_of(odd)) != before


def test_a_worker_killed_from_outside_is_told_and_replaced(odd: LocalCompute) -> None:
    handle = started(odd, odd_worker.never_report)
    os.kill(worker_of(odd, handle), signal.SIGKILL)
    event = ending(handle)
    assert isinstance(event, Failed)
    assert "SIGKILL" in event.message
    assert_well(odd)


def test_the_other_worker_does_not_notice(odd: LocalCompute) -> None:
    steady = started(odd, odd_worker.report_for_ever)
    assert failed(odd, odd_worker.die).kind == "worker_died"
    assert steady.ending is None
    steady.cancel()
    assert isinstance(ending(steady), Cancelled)


def test_the_death_of_the_nursery_is_told_and_mended(odd: LocalCompute) -> None:
    handle = started(odd, odd_worker.never_report)
    first = nursery_of(odd)
    below = children(first)
    os.kill(first, signal.SIGKILL)
    event = ending(handle)
    assert isinstance(event, Failed)
    assert event.kind == "worker_died"
    assert_well(odd)
    assert nursery_of(odd) != first
    for pid in below:
        wait_until(lambda pid=pid: gone(pid))  # type: ignore[misc]


def test_a_nursery_that_dies_while_idle_is_replaced(odd: LocalCompute) -> None:
    for _ in range(2):
        assert_well(odd)
        killed = nursery_of(odd)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda killed=killed: nursery_of(odd) != killed)  # type: ignore[misc]
    assert_well(odd)


def test_a_nursery_that_is_held_up_delays_nobody_who_waits_for_a_dead_worker(odd: LocalCompute) -> None:
    assert_well(odd)
    nursery = nursery_of(odd)
    handle = started(odd, odd_worker.never_report)
    victim = worker_of(odd, handle)
    os.kill(nursery, signal.SIGSTOP)
    os.kill(victim, signal.SIGKILL)
    event = ending(handle)
    os.kill(nursery, signal.SIGCONT)
    assert isinstance(event, Failed)
    wait_until(lambda: victim not in odd._crew.living)
    assert_well(odd)


# -- where nothing can be started


@pytest.fixture
def fresh() -> Iterator[LocalCompute]:
    compute = LocalCompute()
    yield compute
    compute.close()


def test_a_system_without_room_for_a_process_is_told_at_once(
    fresh: LocalCompute, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", full)
        event = failed(fresh)
        child = fresh.spawn("nowhere:serve", [])
        assert child.pid.result(timeout=GUARD) == 0
    assert event.kind == "worker_died"
    assert "no worker process could be started" in event.message
    assert log_file() in event.advice
    assert_well(fresh)


def test_a_python_that_is_not_there_is_told_at_once(fresh: LocalCompute, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert "no worker process could be started" in failed(fresh).message


def test_workers_that_end_before_they_are_ready_are_not_started_for_ever(
    fresh: LocalCompute, monkeypatch: pytest.MonkeyPatch
) -> None:
    hired: list[int] = []
    hire = crew.Crew.hire

    def counted(self: crew.Crew) -> None:
        hired.append(1)
        hire(self)

    with monkeypatch.context() as patch:
        patch.setattr(crew, "WORKER", "nowhere.at.all:serve")
        patch.setattr(crew.Crew, "hire", counted)
        events = [ending(handle) for handle in [fresh.submit(job()), fresh.submit(job())]]
    assert {event.kind for event in events if isinstance(event, Failed)} == {"worker_died"}
    assert len(hired) <= 2 * crew.MAX_STARTS
    assert "nowhere" in Path(log_file()).read_text()
    assert_well(fresh)


# -- the end


def test_closing_ends_every_process_and_every_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "WORKER", odd_worker.WORKER)
    compute = LocalCompute()
    running = [started(compute, odd_worker.never_report), started(compute, odd_worker.never_listen)]
    os.kill(worker_of(compute, running[0]), signal.SIGSTOP)
    waiting = compute.submit(job())
    nursery = nursery_of(compute)
    below = children(nursery)
    assert set(workers_of(compute)) <= below
    compute.close()
    assert [ending(handle) for handle in (*running, waiting)] == [
        Cancelled(handle.job.id) for handle in (*running, waiting)
    ]
    assert gone(nursery)
    for pid in below:
        wait_until(lambda pid=pid: gone(pid))  # type: ignore[misc]
    assert not [thread for thread in threading.enumerate() if thread.name == "compute" and not thread.is_alive()]
    compute.close()
    with pytest.raises(RuntimeError, match="closing"):
        compute.submit(job())


def test_closing_at_once_and_closing_what_never_began() -> None:
    LocalCompute().close()
    compute = LocalCompute()
    handle = compute.submit(job())
    compute.close()
    assert isinstance(ending(handle), Cancelled)
    assert gone(nursery_of(compute))


def test_events_come_in_no_context_of_who_started_the_worker() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="nobody's")
    variable.set("the caller's")
    seen: list[str] = []
    compute = LocalCompute()
    try:
        compute.submit(job(), lambda event: seen.append(variable.get())).finished(timeout=GUARD)
    finally:
        compute.close()
    assert set(seen) == {"nobody's"}
