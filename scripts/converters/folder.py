"""A folder that appears whole or not at all."""

import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from converters.network import Converted
from converters.refusal import Refused

FILE_MODE, FOLDER_MODE = 0o644, 0o755


@contextmanager
def whole(out: Path):
    """A folder to write to, which becomes `out` when all is done; `out` is new or empty."""
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise Refused(f"{out}: there is something already: name a new folder")
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise Refused(f"{out}: {error.strerror or error}") from None
    try:
        yield unfinished
        for file in unfinished.iterdir():
            file.chmod(FILE_MODE)
        unfinished.chmod(FOLDER_MODE)
        if out.exists():
            out.rmdir()
        os.rename(unfinished, out)
    except (OSError, SafetensorError) as error:
        raise Refused(f"{out}: {getattr(error, 'strerror', None) or error}") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def write(out: Path, converted: Converted) -> None:
    """`model.safetensors` and `config.json`."""
    odd = [name for name, value in converted.tensors.items() if not value.is_floating_point()]
    if odd:
        raise Refused(f"expected weights of floating-point numbers, found others: {', '.join(sorted(odd)[:20])}")
    broken = [name for name, value in converted.tensors.items() if not torch.isfinite(value).all()]
    if broken:
        raise Refused(f"NaN or infinite values in {', '.join(sorted(broken)[:20])}")
    # Tensors of a checkpoint may share memory, which a safetensors file can't say.
    tensors = {name: value.clone().contiguous() for name, value in sorted(converted.tensors.items())}
    with whole(out) as folder:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "config.json").write_text(json.dumps(converted.config, indent=2) + "\n", encoding="utf-8")
