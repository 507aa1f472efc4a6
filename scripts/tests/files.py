"""Files that the tests convert, and how they are converted."""

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1]


def convert(*arguments) -> subprocess.CompletedProcess:
    """convert.py as a user runs it."""
    command = [sys.executable, str(SCRIPTS / "convert.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def refused(convert_file, *arguments) -> str:
    """What a conversion says that has to fail."""
    from converters.refusal import Refused

    try:
        with contextlib.redirect_stderr(io.StringIO()):
            convert_file(*arguments)
    except Refused as refusal:
        return str(refusal)
    raise AssertionError("expected a refusal")


def config(folder: Path) -> dict:
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))
