#!/usr/bin/env python3
"""Makes the network that all peers run, or one peer's form of it: a program, so that no converter can stop another.

  export.py FOLDER network NAME         model.safetensors, config.json: timm's network or one of heads.py, seeded weights
  export.py FOLDER pictures BATCH SIZE  bBATCH/input.f32, input.safetensors: a batch; bBATCH/outputs.f32, outputs.json:
                                        what PyTorch says to it, all outputs one after the other, and their shapes
  export.py FOLDER FORMAT BATCH SIZE    the network for that batch: onnx, openvino, ncnn, litert or litert-repaired

The weights are those that timm starts with. Its batch-norms would leave the pictures hardly any influence, so that a
wrong resize could hide in the rounding: they get random gains and shifts, and the statistics of a batch of pictures.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import heads
import timm
import torch
from safetensors.torch import load_file, save_file
from sizes import HEADS

SEED = 20
OPSET = 18


def pictures(batch: int, size: int, seed: int) -> torch.Tensor:
    """Smooth random pictures with some noise, as different from each other as photos are."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(batch, 3, 7, 7, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)
    return smooth + 0.1 * torch.randn(batch, 3, size, size, generator=generator)


def create(name: str) -> torch.nn.Module:
    return heads.create(name) if name in HEADS else timm.create_model(name, pretrained=False)


def make_network(folder: Path, name: str) -> None:
    torch.manual_seed(SEED)
    model = create(name)
    if name in HEADS:
        heads.spread(model)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        torch.nn.init.uniform_(norm.weight, 0.75, 1.25)
        torch.nn.init.normal_(norm.bias, 0.0, 0.1)
        norm.momentum = None  # the statistics become those of the batch
    count, size = (2, HEADS[name]) if name in HEADS else (16, model.pretrained_cfg["input_size"][-1])
    with torch.no_grad():
        model.train()(pictures(count, size, SEED))
    heads.settle_scores(model, pictures(1, size, SEED))
    tensors = {key: value for key, value in model.state_dict().items() if not key.endswith("num_batches_tracked")}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    if name in HEADS:
        preset = name.rpartition("-")[2]
        config = {"architecture": heads.BACKBONE, "head": {"preset": preset}, "network": name}
    else:
        config = {"architecture": name, "num_classes": model.num_classes, "pretrained_cfg": model.pretrained_cfg}
    (folder / "config.json").write_text(json.dumps(config, indent=2, default=list) + "\n", encoding="utf-8")


def load_network(folder: Path) -> torch.nn.Module:
    """The network of a folder in eval mode."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    name = config.get("network", config["architecture"])
    model = create(name)
    left = model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    if left.unexpected_keys or any(not key.endswith("num_batches_tracked") for key in left.missing_keys):
        raise ValueError(f"{folder} does not fit {name}: {left}")
    return model.eval()


def make_pictures(folder: Path, batch: int, size: int) -> None:
    images = pictures(batch, size, SEED + 1)
    with torch.no_grad():
        found = load_network(folder)(images)
    outputs = [found] if isinstance(found, torch.Tensor) else list(found)
    at = folder / f"b{batch}"
    at.mkdir(exist_ok=True)
    images.numpy().tofile(at / "input.f32")
    torch.cat([output.flatten() for output in outputs]).numpy().tofile(at / "outputs.f32")
    (at / "outputs.json").write_text(json.dumps([list(output.shape) for output in outputs]), encoding="ascii")
    save_file({"input": images}, at / "input.safetensors")


def shapes(at: Path) -> list[list[int]]:
    """Those of the outputs."""
    return json.loads((at / "outputs.json").read_text(encoding="ascii"))


def to_onnx(model: torch.nn.Module, images: torch.Tensor, at: Path) -> None:
    names = [f"output{i}" for i in range(len(shapes(at)))]
    torch.onnx.export(
        model,
        (images,),
        at / "model.onnx",
        opset_version=OPSET,
        external_data=False,
        input_names=["input"],
        output_names=names,
    )


def to_openvino(_model: torch.nn.Module, _images: torch.Tensor, at: Path) -> None:
    import openvino

    openvino.save_model(openvino.convert_model(at / "model.onnx"), at / "model.xml", compress_to_fp16=False)


def to_ncnn(model: torch.nn.Module, images: torch.Tensor, at: Path) -> None:
    torch.jit.trace(model, images).save(at / "model.pt")
    shape = ",".join(str(side) for side in images.shape)
    pnnx = Path(sys.executable).parent / "pnnx"
    subprocess.run([pnnx, "model.pt", f"inputshape=[{shape}]", "fp16=0"], cwd=at, check=True)


def to_litert(model: torch.nn.Module, images: torch.Tensor, at: Path) -> None:
    import litert_torch

    # Channels last outside as well as inside, or the peer would pay for a transposition that its users avoid.
    maps = [index for index, shape in enumerate(shapes(at)) if len(shape) == 4]
    channels_last = litert_torch.to_channel_last_io(model, args=[0], outputs=maps).eval()
    litert_torch.convert(channels_last, (images.permute(0, 2, 3, 1).contiguous(),)).export(at / "model.tflite")


def to_litert_repaired(_model: torch.nn.Module, _images: torch.Tensor, at: Path) -> None:
    """LiteRT's file with PyTorch's `nearest`: the converter writes every such resize as `nearest-exact`."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    content = (at / "model.tflite").read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for graph in model.subgraphs:
        for operator in graph.operators:
            if isinstance(operator.builtinOptions, schema.ResizeNearestNeighborOptionsT):
                operator.builtinOptions.halfPixelCenters = False
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    (at / "repaired.tflite").write_bytes(builder.Output())


FORMATS: dict[str, Callable[[torch.nn.Module, torch.Tensor, Path], None]] = {
    "onnx": to_onnx,
    "openvino": to_openvino,
    "ncnn": to_ncnn,
    "litert": to_litert,
    "litert-repaired": to_litert_repaired,
}


def main() -> None:
    folder, what = Path(sys.argv[1]), sys.argv[2]
    if what == "network":
        make_network(folder, sys.argv[3])
        return
    batch, size = int(sys.argv[3]), int(sys.argv[4])
    if what == "pictures":
        make_pictures(folder, batch, size)
    else:
        FORMATS[what](load_network(folder), pictures(batch, size, SEED + 1), folder / f"b{batch}")


if __name__ == "__main__":
    main()
