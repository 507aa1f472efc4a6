"""The networks in the peers' forms, made by export.py when they are not there yet."""

import hashlib
import shutil
import sys
from pathlib import Path

from . import failure
from .environment import REQUIREMENTS, SCRIPTS
from .failure import Failure
from .sizes import size_of

PROGRAM = SCRIPTS / "peers" / "export.py"
PARTS = ("export.py", "heads.py", "sizes.py")
LIMIT = 1200.0
"""Seconds after which a converter is given up."""


class Exports:
    """A folder of networks: models/NAME with the weights, and models/NAME/bBATCH with the rest."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.models, self.logs, self.python = folder / "models", folder / "logs", python
        self._failed: dict[tuple, Failure] = {}
        # Other versions, or another way to make them: nothing of the old is used.
        content = b"".join((PROGRAM.parent / part).read_bytes() for part in PARTS) + REQUIREMENTS.read_bytes()
        stamp, wanted = self.models / "made-by.txt", hashlib.sha256(content).hexdigest()
        if not stamp.exists() or stamp.read_text(encoding="ascii") != wanted:
            shutil.rmtree(self.models, ignore_errors=True)
            self.models.mkdir(parents=True)
            stamp.write_text(wanted, encoding="ascii")

    def network(self, model: str) -> Path:
        """The folder of a network with its weights."""
        folder = self.models / model
        folder.mkdir(exist_ok=True)
        self._make(folder, "network", [model], folder / "network.done")
        return folder

    def pictures(self, model: str, batch: int) -> None:
        """Makes sure of a batch of pictures, and of what PyTorch says to them."""
        self.form(model, "pictures", batch)

    def form(self, model: str, form: str, batch: int) -> None:
        """Makes sure of one form of a network for one batch."""
        folder = self.network(model)
        self._make(folder, form, [str(batch), str(size_of(model))], folder / f"b{batch}" / f"{form}.done")

    def _make(self, folder: Path, what: str, arguments: list[str], done: Path) -> None:
        if done.exists():
            return
        if done in self._failed:
            raise self._failed[done]
        print(f"making {done.with_suffix('').relative_to(self.models)}", file=sys.stderr)
        log = self.logs / f"{folder.name}-{'-'.join([what, *arguments])}.txt"
        try:
            failure.run([self.python, PROGRAM, folder, what, *arguments], log, LIMIT)
        except Failure as error:
            self._failed[done] = error
            raise
        done.touch()
