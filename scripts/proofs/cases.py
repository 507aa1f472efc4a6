"""Networks of all sources, with weights by formula, in the files that their own frameworks write."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

import formula
from converters.ghostnet import FAMILIES, Architecture
from converters.of_mindspore import timms_name as of_mindspore_name
from converters.of_official import timms_name as of_official_name
from converters.pickled import plain_name

# The last layers of detectors, and what their weights are multiplied with: else outputs would hardly differ.
LAST = ("cls_logits.weight", "bbox_reg.weight", "retina_cls.weight", "retina_reg.weight")
LAST_GAIN = 8.0
YOLO_GAIN = 16.0
DETECTED, SEGMENTED = 192, 160


@dataclass
class Case:
    """A network of a source: `build` gives it filled, and what it computes by the names of our dumps."""

    source: str
    title: str
    file: str
    build: Callable[[], tuple[nn.Module, Callable[[torch.Tensor], dict]]]
    save: Callable[[nn.Module, Path], None]
    size: int | None = None
    # What the converted folder's config.json has to say.
    preset: str | None = None
    architecture: str = "ghostnetv2_100"

    @property
    def version(self) -> str:
        """Of its GhostNet: v1, v2 or v3."""
        family = self.architecture.removeprefix("mindspore_").rsplit("_", 1)[0]
        return {known: version for version, known in FAMILIES.items()}[family]

    def timms_name(self, name: str) -> str:
        """What a tensor of the original is called after a conversion."""
        if self.source == "mindspore":
            from originals.of_mindspore import mindspores_name

            return of_mindspore_name(mindspores_name(name))
        return of_official_name(plain_name(name))


def fill(network: nn.Module, timms_name: Callable[[str], str], change=None) -> nn.Module:
    """Every tensor by formula under timm's name of it."""
    values = {}
    for name, tensor in network.state_dict().items():
        value = formula.tensor(timms_name(name), tuple(tensor.shape))
        values[name] = torch.from_numpy(np.asarray(value if change is None else change(name, value)))
    network.load_state_dict(values)
    return network.eval()


def logits(network: nn.Module):
    return lambda x: {"logits": network(x)}


def levels(raw: nn.Module):
    """Logits and differences of P3 to P7."""

    def outputs(x: torch.Tensor) -> dict:
        maps = raw(x)
        half = len(maps) // 2
        named = [("logits", maps[:half]), ("deltas", maps[half:])]
        return {f"{what}.{level}": m for what, found in named for level, m in enumerate(found, start=3)}

    return outputs


def scales(network: nn.Module):
    """YOLOv3's raw outputs, coarse to fine."""
    return lambda x: {f"raw.{level}": m for level, m in zip((5, 4, 3), network(x), strict=True)}


def official(a: Architecture, code: Path | None):
    def build():
        from originals import of_official

        network = of_official.GhostNet(a, 1000) if code is None else of_official.of_authors(a, 1000, code)
        network = fill(network, lambda name: of_official_name(plain_name(name)))
        return network, logits(network)

    return build


def mindspore():
    from originals import of_mindspore

    network = of_mindspore.GhostNet(Architecture("v2", 100, mindspore=True), 1000)
    network = fill(network, lambda name: of_mindspore_name(of_mindspore.mindspores_name(name)))
    return network, logits(network)


def timm(a: Architecture):
    def build():
        from originals import of_timm

        network = fill(of_timm.classifier(a, 1000), lambda name: name)
        return network, logits(network)

    return build


def body(levels: tuple[int, ...]) -> nn.Module:
    from originals import of_timm

    return of_timm.features(Architecture("v2", 100), levels)


def headed_fill(network: nn.Module) -> nn.Module:
    """By formula under timm's names, with last layers whose outputs differ from place to place."""

    def change(name: str, value: np.ndarray) -> np.ndarray:
        return value * np.float32(LAST_GAIN) if name.endswith(LAST) else value

    return fill(network, lambda name: name.replace("blocks_", "blocks."), change)


def torchvision(version: str):
    def build():
        from originals import of_torchvision

        network = headed_fill(of_torchvision.retinanet(version, body((2, 3, 4)), 91))
        return network, levels(of_torchvision.Raw(network))

    return build


def mmdet_retinanet():
    from originals import of_mmdet

    network = headed_fill(of_mmdet.RetinaNet(body((1, 2, 3, 4)), 80))
    return network, levels(of_mmdet.Raw(network))


def mmdet_yolov3():
    from originals import of_mmdet

    network = headed_fill(of_mmdet.YoloV3(body((2, 3, 4)), 80))
    for conv in network.bbox_head.convs_pred:
        conv.weight.data *= YOLO_GAIN
    return network, scales(network)


def mmseg():
    from originals import of_mmseg

    network = headed_fill(of_mmseg.SemanticFpn(body((1, 2, 3, 4)), 150))
    return network, logits(network)


def mmseg_deeplabv3(output_stride: int):
    def build():
        from originals import of_mmseg

        network = headed_fill(of_mmseg.DeepLabV3(body((4,)), 150, output_stride))
        return network, logits(network)

    return build


def smp():
    from originals import of_smp

    network = headed_fill(of_smp.fpn(Architecture("v2", 100), 150))
    return network, logits(of_smp.Quarter(network))


def save_plain(network: nn.Module, path: Path) -> None:
    torch.save(network.state_dict(), path)


def save_old(network: nn.Module, path: Path) -> None:
    """As torch before 1.6 wrote it."""
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=False)


def save_script(network: nn.Module, path: Path) -> None:
    """As timm's training script writes it, of a network on several GPUs."""
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    args = argparse.Namespace(model="ghostnetv2", width=1.0, output=path.parent)
    torch.save({"epoch": 449, "arch": "ghostnetv2", "state_dict": state, "args": args, "version": 2}, path)


def save_reference(network: nn.Module, path: Path) -> None:
    """As torchvision's reference script writes it."""
    args = argparse.Namespace(model="retinanet", epochs=26)
    torch.save({"model": network.state_dict(), "args": args, "epoch": 25}, path)


def save_old_names(network: nn.Module, path: Path) -> None:
    """With the names of torchvision before 0.13."""
    import re

    def old(name: str) -> str:
        name = re.sub(r"(fpn\.\w+_blocks\.\d+)\.0\.", r"\1.", name)
        return re.sub(r"(head\.\w+\.conv)\.(\d+)\.0\.", lambda m: f"{m[1]}.{2 * int(m[2])}.", name)

    torch.save({old(name): value for name, value in network.state_dict().items()}, path)


def save_mmengine(network: nn.Module, path: Path) -> None:
    """As mmengine's runner writes it, with the histories of its losses."""
    from mmengine.logging import HistoryBuffer

    history = HistoryBuffer([0.5, 0.25], [1, 1])
    meta = {"epoch": 12, "mmengine_version": "0.10.7", "cfg": "", "dataset_meta": {"classes": ("a", "b")}}
    hub = {"log_scalars": {"train/loss": history}, "runtime_info": {"epoch": 11}, "resumed_keys": {}}
    torch.save({"meta": meta, "state_dict": network.state_dict(), "message_hub": hub}, path)


def save_mindspore(network: nn.Module, path: Path) -> None:
    from originals import of_mindspore

    path.write_bytes(of_mindspore.checkpoint(of_mindspore.parameters(network)))


def all_cases(code: Path | None = None) -> list[Case]:
    """Every kind of file of every source; the authors' own code in place of its re-statement where it is named."""
    v1, v2, v3 = (Architecture(version, 100) for version in ("v1", "v2", "v3"))
    wide, fused = Architecture("v2", 130), Architecture("v3", 100, fused=True)
    named = {"architecture": "ghostnet_100"}, {"architecture": "ghostnetv3_100"}, {"architecture": "ghostnetv2_130"}
    return [
        Case("official", "GhostNet 1.0x", "state_dict_73.98.pth", official(v1, code), save_old, **named[0]),
        Case("official", "GhostNetV2 1.0x", "ck_ghostnetv2_10.pth.tar", official(v2, code), save_script),
        Case("official", "GhostNetV2 1.3x", "ck_ghostnetv2_13.pth.tar", official(wide, code), save_script, **named[2]),
        Case("official", "GhostNetV3 1.0x", "ghostnetv3-1.0.pth.tar", official(v3, code), save_script, **named[1]),
        Case(
            "mindspore", "GhostNetV2 1.0x", "ghostnetv2_1x.ckpt", mindspore, save_mindspore,
            architecture="mindspore_ghostnetv2_100",
        ),
        Case("timm", "GhostNetV2 1.3x", "model_best.pth.tar", timm(wide), save_script, **named[2]),
        Case("timm", "GhostNetV3 1.0x, fused", "ghostnetv3.pth", timm(fused), save_plain, **named[1]),
        Case("torchvision", "RetinaNet", "model_25.pth", torchvision("v1"), save_reference, DETECTED, "torchvision"),
        Case("torchvision", "old RetinaNet", "old.pth", torchvision("v1"), save_old_names, DETECTED, "torchvision"),
        Case("torchvision", "RetinaNet v2", "v2.pth", torchvision("v2"), save_plain, DETECTED, "torchvision-v2"),
        Case("mmdet", "RetinaNet", "epoch_12.pth", mmdet_retinanet, save_mmengine, DETECTED, "mmdet"),
        Case("mmdet", "YOLOv3", "epoch_30.pth", mmdet_yolov3, save_mmengine, DETECTED, "yolov3"),
        Case("mmseg", "FPN", "iter_80000.pth", mmseg, save_mmengine, SEGMENTED, "mmseg"),
        Case("mmseg", "DeepLabV3", "iter_160000.pth", mmseg_deeplabv3(8), save_mmengine, SEGMENTED, "deeplabv3"),
        Case("smp", "FPN", "best_model.pth", smp, save_plain, SEGMENTED, "smp"),
    ]
