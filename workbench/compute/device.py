"""Which device a job runs on, and what there is on this machine. Runs in a worker: it imports torch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import torch


class NoDevice(LookupError):
    """The device asked for is not here."""


def resolve(request: str) -> torch.device:
    """The device of a request: "auto" is the CUDA device with most free memory, else the CPU.

    Raises:
        NoDevice: if it is not on this machine; the message names those that are.
    """
    if request == "auto":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        return torch.device("cuda", max(range(count), key=_free_memory()) if count > 1 else 0) if count else CPU
    try:
        device = torch.device(request)
    except RuntimeError:
        device = None
    if device == CPU:
        return CPU
    if device is not None and device.type == "cuda" and torch.cuda.is_available():
        index = device.index or 0
        if index < torch.cuda.device_count():
            return torch.device("cuda", index)
    raise NoDevice(f"there is no device '{request}'; what there is: {', '.join(names())}")


CPU = torch.device("cpu")


def names() -> list[str]:
    """The devices one can ask for."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return ["cpu", *(f"cuda:{i}" for i in range(count))]


def full_name(device: torch.device) -> str:
    """What a device is called by its maker."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {os.cpu_count()} cores"


def _free_memory() -> Callable[[int], int]:
    """Free bytes of a CUDA device by its index: asked of the driver, for torch would make a context on each."""
    by_uuid: dict[str, int] = {}
    command = ["nvidia-smi", "--query-gpu=uuid,memory.free", "--format=csv,noheader,nounits"]
    try:
        out = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        out = ""
    for row in out.splitlines():
        uuid, _, free = row.partition(", ")
        if free.isdigit():
            by_uuid[uuid.removeprefix("GPU-")] = int(free) << 20

    def of(index: int) -> int:
        uuid = str(torch.cuda.get_device_properties(index).uuid)
        if uuid in by_uuid:
            return by_uuid[uuid]
        return int(torch.cuda.mem_get_info(index)[0])  # a MIG slice, or no nvidia-smi

    return of


def free_bytes(device: torch.device) -> int:
    """Memory that a run may take: free on a GPU, with what torch holds unused; on the CPU available to this process."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    return min(_available(), _left_in_group())


def _available() -> int:
    """What the kernel thinks can be had without swapping."""
    try:
        with open("/proc/meminfo") as file:
            fields = dict(line.split(":", 1) for line in file)
        return int(fields["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError):
        return sys.maxsize


def _left_in_group() -> int:
    """What a container or a scheduler leaves this process (cgroup version 2); file pages count as free."""
    try:
        with open("/proc/self/cgroup") as file:
            group = "/sys/fs/cgroup" + file.readline().strip().partition("::")[2]
        with open(f"{group}/memory.max") as file:
            limit = int(file.read())
        with open(f"{group}/memory.stat") as file:
            return limit - int(dict(line.split() for line in file)["anon"])
    except (OSError, KeyError, ValueError):  # no such group, or no limit ("max")
        return sys.maxsize


def idle_threads() -> int:
    """CPU threads to use: the cores that others leave idle, at least one.

    Two threads on a core that somebody else keeps busy are many times slower than one.
    """
    cores = len(os.sched_getaffinity(0))
    try:
        busy = os.getloadavg()[0]
    except OSError:
        busy = 0.0
    return max(1, cores - round(busy))


def describe() -> dict[str, object]:
    """Torch, the devices and their memory, for `doctor` and the device line."""
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    devices: list[dict[str, object]] = [{"device": "cpu", "name": full_name(CPU), "threads": idle_threads()}]
    for index in range(cuda):
        properties = torch.cuda.get_device_properties(index)
        devices.append(
            {
                "device": f"cuda:{index}",
                "name": properties.name,
                "memory": properties.total_memory,
                "uuid": str(properties.uuid),
            }
        )
    chosen = resolve("auto")
    return {
        "torch": torch.__version__,
        "cuda": torch.version.cuda or "",
        "devices": devices,
        "auto": str(chosen),
    }
