"""A network as ONNX, and what ONNX Runtime makes of it."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

OPSET = 18


def write(network: nn.Module, x: torch.Tensor, names: list[str], path: Path) -> None:
    """One file with the weights in it, for inputs of this size in batches of any."""
    torch.onnx.export(
        network, (x,), path, input_names=["input"], output_names=names, opset_version=OPSET, dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch")},), external_data=False, verbose=False,
    )


def run(path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs of a file by name."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {session.get_inputs()[0].name: x}), strict=True))
