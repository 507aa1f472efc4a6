"""What the numbers depend on: the processor, the system, the versions."""

import datetime
import os
import platform
import subprocess
from pathlib import Path

from . import environment

FLAGS = {
    "avx2": "AVX2", "fma": "FMA", "avx512f": "AVX-512", "avx512_vnni": "AVX512-VNNI", "avx_vnni": "AVX-VNNI",
    "avx512_bf16": "AVX512-BF16", "amx_tile": "AMX", "asimd": "NEON", "asimddp": "dot products", "bf16": "BF16",
    "i8mm": "I8MM", "sve": "SVE",
}  # fmt: skip
"""What matters of /proc/cpuinfo's flags, by the names there."""


def describe(versions: dict[str, str], on_gpu: bool) -> dict:
    """The machine and the versions, as a record of the results."""
    info = cpuinfo()
    names = info.get("flags", info.get("Features", "")).split()
    return {
        "kind": "machine",
        "processor": info.get("model name", platform.processor() or platform.machine()),
        "family_model": [info[key] for key in ("cpu family", "model") if key in info],
        "instruction_sets": [title for flag, title in FLAGS.items() if flag in names],
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "system": platform.system(),
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "revision": revision(),
        "versions": versions,
        "gpu": gpu() if on_gpu else None,
    }


def gpu() -> str:
    """The first GPU and its driver, as nvidia-smi calls them."""
    query = ["nvidia-smi", "--id=0", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "an unknown GPU"
    name, _, driver = done.stdout.strip().partition(", ")
    return f"{name} (driver {driver})"


def cpuinfo() -> dict[str, str]:
    """The first processor of /proc/cpuinfo, or nothing where there is no such file."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def revision() -> str | None:
    """This project's commit, with a + where files differ from it."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"],
            cwd=environment.ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
