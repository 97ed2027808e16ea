"""Memory of this process, from Linux' /proc: what it has, and its peak since that was reset."""

from pathlib import Path

RESIDENT, PEAK = "VmRSS", "VmHWM"


def forget_peak() -> None:
    """Let the peak begin at what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


def mib(field: str) -> float:
    """`RESIDENT` or `PEAK` in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {field}")
