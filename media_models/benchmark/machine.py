"""What a figure was measured on: figures without it say nothing."""

import os
import platform
from pathlib import Path


def machine() -> str:
    """Processor, cores, Python and how busy the machine is (its load average of the last minute)."""
    model, info = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} x {model}, Python {platform.python_version()}, load {load:.1f}"
