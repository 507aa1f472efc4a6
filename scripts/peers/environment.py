"""What has to be there before anything can be timed: the peers' virtual environment, and what cargo builds."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from . import failure
from .failure import Failure

SCRIPTS = Path(__file__).resolve().parent.parent
ROOT = SCRIPTS.parent
REQUIREMENTS = SCRIPTS / "requirements-peers.txt"
RTEN = SCRIPTS / "peers" / "rten"


def python(folder: Path) -> Path:
    """The interpreter of the virtual environment; made, or made anew when the requirements have changed."""
    environment = folder / "venv"
    interpreter = environment / "bin" / "python"
    wanted = f"{sys.version}\n{REQUIREMENTS.read_text(encoding='utf-8')}"
    installed = environment / "installed.txt"
    if installed.exists() and installed.read_text(encoding="utf-8") == wanted:
        return interpreter
    print(f"installing the peers in {environment}: some gigabytes, some minutes", file=sys.stderr)
    log = folder / "logs" / "install.txt"
    try:
        failure.run([sys.executable, "-m", "venv", "--clear", environment], log)
        failure.run([interpreter, "-m", "pip", "install", "-r", REQUIREMENTS], log)
    except Failure as error:
        sys.exit(f"the peers can't be installed: {error}")
    installed.write_text(wanted, encoding="utf-8")
    return interpreter


def target() -> Path:
    """Where cargo puts what it builds."""
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()


def build_ours(features: tuple[str, ...] = ()) -> None:
    """Builds the programs that take part for this project."""
    command = ["cargo", "build", "--release", *(f"--features={feature}" for feature in features)]
    for program in ("bench", "classify", "detect", "segment"):
        command += ["--example", program]
    if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
        sys.exit("this project's programs can't be built: see above, or run with --no-build")


def build_rten(folder: Path) -> Path:
    """Builds the worker of the peer rten."""
    at = folder / "rten"
    command = ["cargo", "build", "--release", "--locked", "--manifest-path", RTEN / "Cargo.toml", "--target-dir", at]
    failure.run(command, folder / "logs" / "rten.txt")
    return at / "release" / "rten-worker"


def versions(interpreter: Path, packages: Iterable[str]) -> dict[str, str]:
    """The versions of the peers by package name: as an interpreter has them, and rten's as it is pinned."""
    program = "import sys, importlib.metadata as m; [print(name, m.version(name)) for name in sys.argv[1:]]"
    names = sorted(set(packages) - {"rten"})
    done = subprocess.run([interpreter, "-c", program, *names], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{interpreter} lacks a package of the peers: {failure.reason(done.stderr, 'it said nothing')}")
    found = dict(line.split() for line in done.stdout.splitlines())
    if "rten" in packages:
        manifest = (RTEN / "Cargo.toml").read_text(encoding="utf-8")
        found["rten"] = re.search(r'^rten = .*?"=([^"]+)"', manifest, re.MULTILINE)[1]
    return found
