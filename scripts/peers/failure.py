"""What goes wrong with one peer, in one line, so that the others go on."""

import subprocess
from pathlib import Path


class Failure(Exception):
    """A peer, a converter or a build that failed."""


def reason(said: str, otherwise: str) -> str:
    """The line of what a program said that most likely tells why it failed, shortened."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # Rust and clap begin with the error and end with advice; Python ends with it.
    errors = [line for line in lines if line.startswith("error:")]
    return (errors[:1] or lines[-1:] or [otherwise])[0][:200]


def last_words(log: Path) -> str:
    """The reason that a log tells."""
    return reason(log.read_text(encoding="utf-8", errors="replace"), "it said nothing")


def run(command: list, log: Path, timeout: float | None = None, **options) -> None:
    """Runs a program with its output in a log; a failure names both."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        try:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=True,
                timeout=timeout,
                **options,
            )
            return
        except subprocess.TimeoutExpired:
            why = f"not done after {timeout:.0f} s"
        except subprocess.CalledProcessError:
            why = last_words(log)
        except OSError as error:
            why = str(error)
    raise Failure(f"{why} (see {log.parent.name}/{log.name})")
