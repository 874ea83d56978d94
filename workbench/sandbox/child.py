"""The untrusted side of the sandbox. Forked from the nursery; from `serve` on this process is the student's.

It is sent the code, the harness and the inputs, and never an answer.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import sys
import traceback
from typing import Any

from workbench.compute.wire import Channel, pack

FILE = "answer.py"
HARNESS = "harness.py"
MAX_FILE_BYTES = 32 << 20
MAX_OPEN_FILES = 256


def serve(job_descriptor: int, output_descriptor: int) -> None:
    """Take one program, run it within its limits, and report what came of it."""
    channel = Channel(socket.socket(fileno=job_descriptor))
    job = channel.receive()
    os.dup2(output_descriptor, 1)
    os.dup2(output_descriptor, 2)
    os.closerange(3, job_descriptor)
    os.closerange(job_descriptor + 1, 4096)
    confine(job["seconds"], job["megabytes"], job["scratch"])
    # Those of the nursery may know only ASCII, and keep what is printed until it is too late.
    sys.stdout, sys.stderr = (open(n, "w", 1, "utf-8", "replace", closefd=False) for n in (1, 2))  # noqa: SIM115
    report = attempt(job)
    with contextlib.suppress(Exception):  # by now it is whatever the student has made of it
        sys.stdout.flush()
    channel.socket.sendall(report)
    # No exit handlers: they would be the student's.
    os._exit(0)


def confine(seconds: float, megabytes: int, scratch: str) -> None:
    """Limits on this process; an environment made from nothing; a folder of its own to write to."""
    os.environ.clear()
    os.environ.update(
        {
            "PATH": "/usr/bin:/bin",
            "HOME": scratch,
            "TMPDIR": scratch,
            "LANG": "C.UTF-8",
            "CUDA_VISIBLE_DEVICES": "",
        }
    )
    os.chdir(scratch)
    processor = int(seconds) + 2
    for name, value in (
        (resource.RLIMIT_CPU, processor),
        (resource.RLIMIT_DATA, megabytes << 20),
        (resource.RLIMIT_FSIZE, MAX_FILE_BYTES),
        (resource.RLIMIT_NOFILE, MAX_OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(name)[1]
        limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(name, (limit, limit))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def attempt(job: dict[str, Any]) -> bytes:
    """Run the program; a frame with what the harness returned, or with what went wrong."""
    import torch

    torch.set_num_threads(1)
    try:
        student: dict[str, Any] = {"__name__": "answer", "__file__": FILE}
        exec(compile(job["code"], FILE, "exec"), student)  # noqa: S102  (this is what the process is for)
        function = student.get(job["entry"])
        if not callable(function):
            return pack({"status": "error", "message": f"the program defines no function {job['entry']}", "line": 0})
        harness: dict[str, Any] = {"__name__": "harness", "__file__": HARNESS}
        exec(compile(job["harness"], HARNESS, "exec"), harness)  # noqa: S102
        outputs = harness["probe"](function, **_tensors(job["inputs"]))
        return pack({"status": "ok", "outputs": _arrays(outputs)})
    except MemoryError:
        pass  # out of the handler first: what the exception holds is freed then
    except BaseException as error:  # noqa: BLE001  (SystemExit and KeyboardInterrupt are the student's too)
        if "can't allocate memory" not in str(error):
            return pack(describe(error))
    return pack({"status": "out_of_memory", "message": "ran out of the memory it may use", "line": 0})


def _tensors(inputs: dict[str, Any]) -> dict[str, Any]:
    import torch

    def tensor(value: Any) -> Any:
        if not hasattr(value, "shape"):
            return value
        dtype = getattr(torch, value.dtype)
        return torch.tensor(value.flat(), dtype=dtype).reshape(value.shape)

    return {name: tensor(value) for name, value in inputs.items()}


def _arrays(outputs: Any) -> dict[str, Any]:
    from engines.arrays import Array

    if not isinstance(outputs, dict):
        raise TypeError("the harness must return a dict")
    return {
        str(name): Array.of(value) if hasattr(value, "detach") else value
        for name, value in outputs.items()
        if hasattr(value, "detach") or isinstance(value, bool | int | float | str)
    }


def describe(error: BaseException) -> dict[str, Any]:
    """An exception in the student's terms: its last line in their file, and what it says."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILE]
    line = frames[-1].lineno or 0 if frames else 0
    if isinstance(error, SyntaxError) and error.filename == FILE:
        line = error.lineno or 0
    text = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    where = f"line {line}: " if line else ""
    return {"status": "error", "message": f"{where}{text}"[:2000], "line": line}
