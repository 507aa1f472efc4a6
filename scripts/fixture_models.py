"""The networks of the fixtures, built with timm and filled by formula, and the form that a fixture file has.

Shared by make_model_fixtures.py and make_gradient_fixture.py; formula.py has the contract of the values.

A fixture file is a safetensors file. For every kept tensor KEY:
  KEY        f32, the samples (or the whole tensor where its own script says so)
  KEY.stats  f64 [2], mean and mean of absolute values over the whole tensor, summed in f64
  KEY.shape  i64, the shape of the whole tensor
Its metadata has one entry, `about`: a JSON object with the network, the versions and the command.
"""

import json
import platform
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
import safetensors
import timm
import torch
from safetensors.numpy import save_file
from timm.models.ghostnet import _create_ghostnet

import formula

FIXTURES = Path(__file__).resolve().parent.parent / "ghostnetv2" / "tests" / "fixtures" / "models"


@dataclass(frozen=True)
class Network:
    """One network of the family: timm's name for it, or a name of ours for a width that timm does not register."""

    name: str
    version: str
    width: float
    classes: int = 1000

    def create(self, **kwargs) -> torch.nn.Module:
        # timm.create_model refuses `width` (its registered functions pass their own), hence the private function.
        base = {"v1": "ghostnet_100", "v2": "ghostnetv2_100", "v3": "ghostnetv3_100"}[self.version]
        return _create_ghostnet(
            base, width=self.width, version=self.version, num_classes=self.classes, **kwargs
        ).eval()

    def filled(self, **kwargs) -> torch.nn.Module:
        """The network in eval mode with every tensor filled by formula, f32."""
        model = self.create(**kwargs)
        model.load_state_dict(
            {
                key: torch.from_numpy(np.asarray(formula.tensor(_plain_name(key), tuple(value.shape))))
                for key, value in model.state_dict().items()
            }
        )
        return model


VARIANTS = tuple(
    Network(f"ghostnet{tag}_{round(width * 100):03}", version, width)
    for tag, version, widths in (
        ("", "v1", (0.5, 1.0, 1.3)),
        ("v2", "v2", (1.0, 1.3, 1.6)),
        ("v3", "v3", (0.5, 1.0, 1.3, 1.6)),
    )
    for width in widths
)


def _plain_name(key: str) -> str:
    # features_only=True flattens `blocks.3.0.…` to `blocks_3.0.…`; the formula wants the plain name.
    return re.sub(r"^blocks_(\d+)\.", r"blocks.\1.", key)


def picture(batch: int, height: int, width: int) -> torch.Tensor:
    """The input of every fixture: u("input", i) over [batch, 3, height, width]."""
    return torch.from_numpy(formula.uniform("input", (batch, 3, height, width)))


def check_precision(key: str, found: torch.Tensor, exact: torch.Tensor) -> None:
    """Stops where f32 strays from f64 by a tenth of what the Rust tests allow (rtol 1e-3, atol 1e-4)."""
    worst = ((found.double() - exact).abs() / (1e-4 + 1e-3 * exact.abs())).max().item()
    if worst > 0.1:
        raise SystemExit(f"{key}: f32 takes {worst:.3f} of the tolerance, so that this fixture would be too noisy")


def check_magnitude(key: str, values: torch.Tensor) -> None:
    """Stops where a tensor is too small or too large for absolute tolerances to mean anything."""
    size = values.double().abs().mean().item()
    if not 0.1 <= size <= 10:
        raise SystemExit(f"{key}: mean magnitude {size:.3g} is not within 0.1 to 10: choose other gains in formula.py")


def keep(kept: dict[str, np.ndarray], key: str, values: torch.Tensor, samples: int | None) -> None:
    """Adds a tensor to a fixture: `samples` sampled values, or all of them when None."""
    array = np.ascontiguousarray(values.detach().numpy().astype(np.float32))
    wide = array.astype(np.float64)
    if samples is None:
        kept[key] = array
    else:
        kept[key] = array.reshape(-1)[formula.sample_indices(key, samples, array.size)]
    kept[f"{key}.stats"] = np.array([wide.mean(), np.abs(wide).mean()])
    kept[f"{key}.shape"] = np.array(array.shape, dtype=np.int64)


def versions() -> dict[str, str]:
    """The versions that a fixture was made with."""
    return {
        "python": platform.python_version(),
        "timm": timm.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "safetensors": safetensors.__version__,
    }


def save(path: Path, kept: dict[str, np.ndarray], command: str, **about) -> None:
    """Writes a fixture; one metadata entry only, because safetensors writes several in a random order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**about, "command": command, "versions": versions()}, sort_keys=True)
    save_file(kept, path, metadata={"about": text})
    path.chmod(0o644)
    print(f"{path.name}: {len(kept)} tensors, {path.stat().st_size:,} bytes")
