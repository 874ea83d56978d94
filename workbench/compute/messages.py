"""What is said between a worker and whoever asks it: small frozen values.

Jobs are known by their id, not by the connection they came through: who connects later can `Watch` a job and
is told where it stands. A newer `Progress` replaces an older one.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from engines.figures import Figure, from_plain, to_plain

Task = Literal["run", "draw", "describe"]


@dataclass(frozen=True)
class Job:
    """Something to be computed.

    Attributes:
        id: chosen by whoever asks; unique.
        task: run an engine, draw parameters for a variant, or describe the machine.
        engine: the engine's name; empty to describe.
        params: its parameters as plain data; empty to draw.
        seed: of the run's random numbers, or of the variant.
        dtype: floating-point type; the engine's own by default.
        device: "auto" (the CUDA device with most free memory, else the CPU), "cpu", "cuda:0", …
        threads: CPU threads; as many as are idle by default.
    """

    id: str
    task: Task = "run"
    engine: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    dtype: str = ""
    device: str = "auto"
    threads: int | None = None


@dataclass(frozen=True)
class Submit:
    """Do this job when those before it are done, and keep what it gives below a folder of results, if one is named."""

    job: Job
    keep_in: str = ""


@dataclass(frozen=True)
class Cancel:
    """Stop this job, begun or not."""

    job_id: str


@dataclass(frozen=True)
class Watch:
    """Tell me where this job stands, and from now on what becomes of it."""

    job_id: str


Command = Submit | Cancel | Watch


@dataclass(frozen=True)
class Hello:
    """The worker is ready."""

    pid: int
    torch: str


@dataclass(frozen=True)
class Started:
    """A job has begun: where and how it runs, as it really is."""

    job_id: str
    device: str
    device_name: str
    dtype: str
    threads: int


@dataclass(frozen=True)
class Progress:
    """How far a job is; `figure` is what there is to see so far."""

    job_id: str
    fraction: float
    message: str
    elapsed: float
    figure: Figure | None = None


@dataclass(frozen=True)
class Finished:
    """A job is done: a `Result` as plain data, drawn parameters, or a description of the machine."""

    job_id: str
    output: dict[str, Any]
    elapsed: float
    device: str
    dtype: str
    stored_at: float | None = None


@dataclass(frozen=True)
class Failed:
    """A job has failed. `message` says why in a sentence, `advice` what to do about it."""

    job_id: str
    kind: Literal["error", "out_of_memory", "unknown_engine", "bad_parameters", "no_device", "worker_died"]
    message: str
    advice: str = ""


@dataclass(frozen=True)
class Cancelled:
    """A job was stopped because somebody asked for it."""

    job_id: str


Event = Hello | Started | Progress | Finished | Failed | Cancelled
Ending = Finished | Failed | Cancelled

_TYPES: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (Submit, Cancel, Watch, Hello, Started, Progress, Finished, Failed, Cancelled)
}  # fmt: skip


def encode(message: Command | Event) -> dict[str, Any]:
    """A message as plain data for the wire."""
    data = {spec.name: getattr(message, spec.name) for spec in dataclasses.fields(message)}
    if isinstance(message, Submit):
        data["job"] = dataclasses.asdict(message.job)
    elif isinstance(message, Progress) and message.figure is not None:
        data["figure"] = to_plain(message.figure)
    return {"type": type(message).__name__, **data}


def decode(data: dict[str, Any]) -> Any:
    """The message that `encode` was given.

    Raises:
        ValueError: if the data are no message.
    """
    fields = dict(data)
    cls = _TYPES.get(str(fields.pop("type", "")))
    if cls is None:
        raise ValueError(f"no message: {data.get('type')!r}")
    try:
        if cls is Submit:
            fields["job"] = Job(**fields["job"])
        elif cls is Progress and fields.get("figure") is not None:
            fields["figure"] = from_plain(fields["figure"])
        return cls(**fields)
    except (TypeError, KeyError) as error:
        raise ValueError(f"no {cls.__name__} message: {error}") from None
