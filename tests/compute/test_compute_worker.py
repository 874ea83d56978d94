"""A worker from the inside: its desk, what it says and to whom, and how often."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engines.figures import Lines, line
from engines.parameters.argmax import Argmax
from engines.result import Result
from workbench import paths
from workbench.compute import device, worker
from workbench.compute.messages import (
    Cancel,
    Cancelled,
    Event,
    Failed,
    Finished,
    Hello,
    Job,
    Progress,
    Started,
    Submit,
    Watch,
    decode,
)
from workbench.compute.results import Results
from workbench.compute.wire import Channel

GUARD = 60.0
FIGURE = Lines("loss", "Loss", (line("train", [1.0, 2.0], [0.5, 0.25]),))


class Listener:
    """The other end of a connection to a desk."""

    def __init__(self, desk: worker.Desk) -> None:
        ours, theirs = socket.socketpair()
        ours.settimeout(GUARD)
        self.channel = Channel(ours)
        self.theirs = Channel(theirs)
        desk.attach(self.theirs)

    def next(self) -> Event:
        event: Event = decode(self.channel.receive())
        return event

    def until_end(self) -> list[Event]:
        """Every event up to the end of a job."""
        seen = [self.next()]
        while not isinstance(seen[-1], Finished | Failed | Cancelled):
            seen.append(self.next())
        return seen

    def close(self) -> None:
        self.channel.close()
        self.theirs.close()


@pytest.fixture
def desk() -> Iterator[worker.Desk]:
    made = worker.Desk()
    yield made
    made._outbox.close()


class Steps:
    """An engine that is led through its run step by step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = threading.Semaphore(0)
        self.done = threading.Semaphore(0)
        self.error: BaseException | None = None
        monkeypatch.setattr("engines.registry.execute", self.execute)

    def execute(self, params: Any, run: Any) -> Result:
        for number in range(1, 4):
            assert self.go.acquire(timeout=GUARD)
            try:
                run.progress(number / 4, f"step {number}", FIGURE if number == 1 else None)
            except BaseException as error:
                self.error = error
                raise
            finally:
                self.done.release()
        assert self.go.acquire(timeout=GUARD)
        return Result({"x": 1})

    def step(self) -> None:
        self.go.release()
        assert self.done.acquire(timeout=GUARD)

    def finish(self) -> None:
        self.go.release()


def begin(desk: worker.Desk) -> threading.Thread:
    """Do the next job of a desk in another thread, as `work` does."""

    def do() -> None:
        order = desk.waiting.get(timeout=GUARD)
        desk.tell(worker.perform(order.job, desk))

    thread = threading.Thread(target=do)
    thread.start()
    return thread


JOB = Job("one", engine="attention.argmax", device="cpu", threads=1)


def test_who_comes_later_learns_where_a_job_stands_and_how_it_ends(
    desk: worker.Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "PROGRESS_SECONDS", 0.0)
    steps = Steps(monkeypatch)
    first = Listener(desk)
    desk.command(Submit(JOB))
    thread = begin(desk)
    steps.step()
    steps.step()
    assert isinstance(first.next(), Started)
    first.close()  # the connection is lost
    second = Listener(desk)
    desk.command(Watch("one"))
    started, progress = second.next(), second.next()
    assert isinstance(started, Started)
    assert (started.job_id, started.device, started.threads) == ("one", "cpu", 1)
    assert isinstance(progress, Progress)
    assert progress.message == "step 2", "the newest, and only that"
    steps.step()
    steps.finish()
    rest = second.until_end()
    assert [event.message for event in rest if isinstance(event, Progress)] == ["step 3"]
    assert isinstance(rest[-1], Finished)
    thread.join()
    third = Listener(desk)
    desk.command(Watch("one"))
    seen = third.until_end()
    assert [type(event) for event in seen] == [Started, Finished], "how far it was does not matter any more"
    assert seen[-1] == rest[-1]
    second.close()
    third.close()


def test_a_job_submitted_over_one_connection_can_be_stopped_over_another(
    desk: worker.Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(monkeypatch)
    first = Listener(desk)
    desk.command(Submit(JOB))
    thread = begin(desk)
    steps.step()
    first.close()
    second = Listener(desk)
    desk.command(Cancel("one"))
    steps.step()
    assert second.until_end() == [Cancelled("one")]
    thread.join()
    second.close()


def test_a_job_that_was_stopped_before_it_began_does_nothing(desk: worker.Desk) -> None:
    desk.command(Cancel("one"))
    assert worker.perform(JOB, desk) == Cancelled("one")


def test_nobody_is_told_of_a_job_that_is_not_there(desk: worker.Desk) -> None:
    listener = Listener(desk)
    desk.command(Watch("none"))
    desk.tell(Hello(1, "2"))
    assert listener.next() == Hello(1, "2")
    listener.close()


def test_endings_are_remembered_but_not_for_ever(desk: worker.Desk) -> None:
    for i in range(3 * worker.KEPT_ENDINGS):
        desk.tell(Started(str(i), "cpu", "CPU", "float32", 1))
        desk.tell(Cancelled(str(i)))
    assert len(desk._last) <= worker.KEPT_ENDINGS
    listener = Listener(desk)
    last = str(3 * worker.KEPT_ENDINGS - 1)
    desk.command(Watch(last))
    assert listener.until_end()[-1] == Cancelled(last)
    listener.close()


def test_progress_is_thinned_and_its_figure_is_not_lost(desk: worker.Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    told: list[Event] = []
    monkeypatch.setattr(desk, "tell", told.append)
    report = worker._reporter(JOB, desk, now)
    for i in range(100):
        report(i / 100, str(i), FIGURE if i == 3 else None)
        now += worker.PROGRESS_SECONDS / 10
    events = [event for event in told if isinstance(event, Progress)]
    assert [event.message for event in events][:3] in (["0", "10", "20"], ["0", "11", "22"])
    assert 9 <= len(events) <= 11, "a few of a hundred"
    assert [event.figure for event in events[:3]] == [None, FIGURE, None], "told with the next that is told, once"
    assert [event.elapsed for event in events] == sorted(event.elapsed for event in events)


@pytest.mark.parametrize(("given", "told"), [(-1.0, 0.0), (0.25, 0.25), (7.0, 1.0)])
def test_a_share_is_between_nothing_and_all(
    given: float, told: float, desk: worker.Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[Event] = []
    monkeypatch.setattr(desk, "tell", events.append)
    worker._reporter(JOB, desk, 0.0)(given, "", None)
    assert isinstance(events[0], Progress)
    assert events[0].fraction == told


def test_a_slow_listener_delays_nothing_and_gets_the_newest_progress(desk: worker.Desk) -> None:
    listener = Listener(desk)
    big = Finished("big", {"text": "x" * (4 << 20)}, 0.0, "cpu", "")  # more than the socket holds
    desk.tell(big)
    for i in range(1000):
        desk.tell(Progress("one", i / 1000, str(i), float(i)))
    desk.tell(Cancelled("one"))
    assert listener.next() == big
    seen = listener.until_end()
    assert len(seen) <= 3
    last = seen[-2]
    assert isinstance(last, Progress)
    assert last.message == "999"
    listener.close()


def test_a_listener_that_has_gone_is_forgotten(desk: worker.Desk) -> None:
    listener = Listener(desk)
    listener.channel.close()
    for i in range(10):
        desk.tell(Cancelled(str(i)))
    listener.theirs.close()
    again = Listener(desk)
    desk.command(Watch("9"))
    assert again.next() == Cancelled("9")
    again.close()


# -- tasks


def test_a_run_reads_its_parameters_as_strictly_as_a_file(desk: worker.Desk) -> None:
    for params in ({"qeury": [1.0]}, {"query": "x"}, {"query": [float("nan")]}, {"query": [True]}):
        event = worker.perform(replace(JOB, params=params), desk)
        assert isinstance(event, Failed)
        assert event.kind == "bad_parameters"


def test_a_draw_gives_parameters_that_can_be_run(desk: worker.Desk) -> None:
    drawn = worker.perform(Job("d", "draw", "attention.argmax", seed=5), desk)
    assert isinstance(drawn, Finished)
    done = worker.perform(replace(JOB, params=drawn.output["params"]), desk)
    assert isinstance(done, Finished)
    assert done.dtype == Argmax.dtype


def test_an_engine_without_variants_says_so(desk: worker.Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.registry._DRAWS", {})
    event = worker.perform(Job("d", "draw", "attention.argmax"), desk)
    assert isinstance(event, Failed)
    assert event.kind == "unknown_engine"
    assert "no variants" in event.message


def test_results_are_kept_before_they_are_told(
    desk: worker.Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = Results(str(tmp_path))
    found: list[Finished | None] = []

    class Done(Exception):
        """The end of the test."""

    def tell(event: Event) -> None:
        if isinstance(event, Finished):
            found.append(results.find(JOB))
            raise Done

    monkeypatch.setattr(desk, "tell", tell)
    desk.command(Submit(JOB, results.folder))
    with pytest.raises(Done):
        worker.work(desk)
    assert found[0] is not None


def test_what_cannot_be_imported_while_idle_ends_no_worker(desk: worker.Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    class Done(Exception):
        """The end of the test."""

    def broken(name: str) -> None:
        desk.command(Submit(JOB))
        raise ImportError(name)

    def tell(event: Event) -> None:
        if isinstance(event, Finished | Failed):
            raise Done

    monkeypatch.setattr(desk, "tell", tell)
    monkeypatch.setattr(worker, "IDLE_SECONDS", 0.01)
    monkeypatch.setattr("importlib.import_module", broken)
    with pytest.raises(Done):
        worker.work(desk)


# -- memory, types and threads


def test_a_run_that_would_not_fit_is_refused_with_its_sizes_and_the_mend(
    desk: worker.Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.compute.device.free_bytes", lambda device: 20 << 20)
    monkeypatch.setattr("engines.registry.execute", None)  # it is never begun
    params = {"steps": 3000, "width": 64}
    ending = worker.perform(Job("big", engine="training.zero_grad", params=params, device="cpu"), desk)
    assert isinstance(ending, Failed)
    assert ending.kind == "out_of_memory"
    assert ending.message == "it needs 32 MiB, and 20 MiB are free on cpu"
    assert ending.advice.startswith("make it smaller: steps = 3000, width = 64")


def test_the_processor_has_memory_and_a_bound_on_it() -> None:
    total = int(Path("/proc/meminfo").read_text().split()[1]) << 10
    assert 0 < device.free_bytes(device.CPU) <= total


@pytest.mark.parametrize(("size", "words"), [(32 << 20, "32 MiB"), (3 << 29, "1.5 GiB"), (1 << 40, "1.02e+03 GiB")])
def test_memory_in_words(size: int, words: str) -> None:
    assert worker.gibibytes(size) == words


def test_engines_keep_what_takes_long_below_the_cache(desk: worker.Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path | None] = []

    def execute(params: Any, run: Any) -> Result:
        seen.append(run.cache)
        return Result({"x": 1})

    monkeypatch.setattr("engines.registry.execute", execute)
    assert isinstance(worker.perform(JOB, desk), Finished)
    assert seen == [Path(paths.cache(), "engines")]


def test_a_type_that_makes_no_sense_in_an_engine_is_refused(desk: worker.Desk) -> None:
    ending = worker.perform(replace(JOB, engine="training.accumulation", dtype="bfloat16"), desk)
    assert isinstance(ending, Failed)
    assert ending.kind == "bad_parameters"
    assert ending.message == "dtype: training.accumulation runs in float32 or float64, not in 'bfloat16'"


def test_small_matrices_get_one_thread_and_large_ones_what_is_idle(
    desk: worker.Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "idle_threads", lambda: 2)
    listener = Listener(desk)
    try:
        for parallel, threads in ((False, 1), (True, 2)):
            monkeypatch.setattr(Argmax, "parallel", parallel)
            desk.tell(worker.perform(replace(JOB, id=str(parallel), threads=None), desk))
            started, *_ = listener.until_end()
            assert isinstance(started, Started)
            assert started.threads == threads
    finally:
        listener.close()


def test_what_a_stopped_run_showed_last_is_told_before_its_end(
    desk: worker.Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However recent: thinning must not cost the figure that stays."""
    monkeypatch.setattr(worker, "PROGRESS_SECONDS", GUARD)

    def execute(params: Any, run: Any) -> Result:
        run.progress(0.1, "first")
        run.progress(0.2, "a figure", FIGURE)
        desk.command(Cancel(JOB.id))
        run.progress(0.3, "stop here")
        raise AssertionError

    monkeypatch.setattr("engines.registry.execute", execute)
    listener = Listener(desk)
    try:
        desk.tell(worker.perform(JOB, desk))
        *_, last, ending = listener.until_end()
        assert isinstance(last, Progress)
        assert (last.fraction, last.figure) == (0.3, FIGURE)
        assert isinstance(ending, Cancelled)
    finally:
        listener.close()
