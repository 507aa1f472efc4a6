"""Files of `torch.save`, zipped or not, and safetensors files: named tensors, and what is told beside them.

Only torch's weights-only unpickler reads a pickle: it builds tensors and plain containers, and calls nothing that the
file names. Training scripts leave other objects beside the weights (arguments, histories of losses); for those that are
known below, an empty stand-in takes their place, so that none of their code runs either. Any other name ends the
reading. """

import pickle
import re
import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from converters.refusal import Refused

ZIP = b"PK"
# The weights-only unpickler of older versions could be made to run code (CVE-2025-32434).
OLDEST = (2, 6)
# What training scripts wrap around weights, averages first: those are what they score.
CONTAINERS = ("state_dict_ema", "ema_state_dict", "state_dict", "model")
# What wraps around a whole network in training.
WRAPPERS = ("module.", "_orig_mod.")
# Names that are no weights: batch counters, and what counters of operations leave.
COUNTERS = ("num_batches_tracked", "total_ops", "total_params")

# Objects that lie beside weights and mean nothing to them: of timm's and the authors' scripts, of mmengine.
BYSTANDERS = (
    "argparse.Namespace",
    "builtins.getattr",
    "datetime.datetime",
    "mmcv.utils.config.ConfigDict",
    "mmengine.config.config.Config",
    "mmengine.config.config.ConfigDict",
    "mmengine.logging.history_buffer.HistoryBuffer",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
    "numpy.ndarray",
    "numpy.dtypes.Float32DType",
    "numpy.dtypes.Float64DType",
    "numpy.dtypes.Int64DType",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
)


class Bystander:
    """Takes the place of an object, whatever it was made from."""

    def __init__(self, *_args, **_named):
        pass

    def __setstate__(self, _state):
        pass


def check_zip(path: Path) -> None:
    """Compares the checksums of a zipped file, which torch does not look at."""
    with path.open("rb") as file:
        if not file.read(4).startswith(ZIP):
            return
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        raise Refused(f"{path}: damaged: {error}: fetch it again") from None
    if damaged:
        raise Refused(f"{path}: damaged: the checksum of {damaged} differs: fetch it again")


def content_of(path: Path):
    """What a file of `torch.save` holds, with stand-ins for known bystanders."""
    try:
        check_zip(path)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror or error}") from None
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < OLDEST:
        raise Refused(f"torch {torch.__version__}: expected 2.6 or later, which reads weights without running anything")
    stand_ins = [(Bystander, name) for name in BYSTANDERS]
    try:
        with torch.serialization.safe_globals(stand_ins):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own message advises to load it all the same, which is what would run code.
        named = re.search(r"GLOBAL (\S+)", str(error))
        if named:
            raise Refused(
                f"{path}: refers to {named[1]}, which is no tensor, and could run code: refused unread; save the "
                "state_dict alone, or fetch the file from its authors"
            ) from None
        raise Refused(f"{path}: damaged, or no file of torch.save: fetch it again") from None
    except Exception as error:  # noqa: BLE001, a damaged pickle fails in every way there is
        what = "a TorchScript program" if "TorchScript" in str(error) else "damaged, or no file of torch.save"
        raise Refused(f"{path}: {what}: expected a state_dict as torch.save writes it") from None


def unwrapped(content) -> dict:
    """The innermost mapping of named tensors."""
    for key in CONTAINERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict) and content[key]:
            return unwrapped(content[key])
    return content


def plain_name(name: str) -> str:
    """A name without what wraps around the network."""
    for wrapper in WRAPPERS:
        if name.startswith(wrapper):
            return plain_name(name.removeprefix(wrapper))
    return name


def named_tensors(path: Path, content) -> dict[str, torch.Tensor]:
    """Weights by name, without counters."""
    inner = unwrapped(content)
    if not isinstance(inner, dict) or not inner:
        raise Refused(f"{path}: expected named tensors, found {type(inner).__name__}")
    fits = {name: isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in inner.items()}
    odd = [str(name) for name, good in fits.items() if not good]
    if odd:
        raise Refused(f"{path}: expected named tensors, found something else too: {', '.join(sorted(odd)[:20])}")
    found = {}
    for name, value in inner.items():
        if name.rsplit(".", 1)[-1] in COUNTERS:
            continue
        if plain_name(name) in found:
            raise Refused(f"{path}: {plain_name(name)} is there twice, once as {name}")
        found[plain_name(name)] = value.detach()
    return found


def told_classes(content) -> list[str] | None:
    """Names of classes, where mmengine's or mmcv's `meta` has them."""
    meta = content.get("meta") if isinstance(content, dict) else None
    if not isinstance(meta, dict):
        return None
    told = meta.get("dataset_meta")
    told = told.get("classes") if isinstance(told, dict) else meta.get("CLASSES")
    names = list(told) if isinstance(told, (list, tuple)) else []
    return names if names and all(isinstance(name, str) for name in names) else None


def read(path: Path) -> tuple[dict[str, torch.Tensor], list[str] | None]:
    """Weights by name and, where the file tells them, names of classes."""
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, "pt") as file:
                return named_tensors(path, {name: file.get_tensor(name) for name in file.keys()}), None
        except (SafetensorError, OSError) as error:
            raise Refused(f"{path}: {error}") from None
    content = content_of(path)
    return named_tensors(path, content), told_classes(content)


def is_torch_file(path: Path) -> bool:
    """Whether a file announces itself as one of torch's or of safetensors."""
    with path.open("rb") as file:
        start = file.read(16)
    pickled = len(start) > 1 and start[0] == 0x80 and start[1] <= 5
    return pickled or start.startswith(ZIP) or start[8:9] == b"{"
