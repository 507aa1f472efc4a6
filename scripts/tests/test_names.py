"""Names and shapes of every source, against those that the original libraries have."""

import hashlib
import unittest
from pathlib import Path

try:
    import torch  # noqa: F401, what the converters need
    from converters import ghostnet, of_mindspore, of_mmdet, of_mmseg, of_official, of_smp, of_torchvision
except ImportError as missing:
    raise unittest.SkipTest(str(missing)) from None

ROOT = Path(__file__).resolve().parents[2]
TIMM = ROOT / "ghostnetv2" / "tests" / "fixtures" / "models" / "keys.txt"
ORIGINALS = Path(__file__).resolve().parent / "fixtures" / "keys.txt"


def digest(shapes: dict) -> str:
    lines = sorted((f"{name} {list(shape)}\n" for name, shape in shapes.items()), key=str.encode)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def trunk(prefix: str, a: ghostnet.Architecture) -> dict:
    return {f"{prefix}{name}": shape for name, shape in ghostnet.trunk(a, ghostnet.TIMM_TAPS[-1], "_").items()}


class Names(unittest.TestCase):
    def test_of_every_classifier_are_timms(self):
        versions = {family: version for version, family in ghostnet.FAMILIES.items()}
        for line in TIMM.read_text().splitlines():
            name, form, count, expected = line.split()
            family, hundredths = name.rsplit("_", 1)
            a = ghostnet.Architecture(versions[family], int(hundredths), fused=form == "fused")
            shapes = ghostnet.classifier(a, 10 if name == "ghostnetv2_075" else 1000)
            self.assertEqual((len(shapes), digest(shapes)), (int(count), expected), line)

    def test_of_every_original_are_expected(self):
        a = ghostnet.Architecture("v2", 100)
        three, four = (ghostnet.stage_channels(a, ghostnet.TIMM_TAPS[first:]) for first in (1, 0))
        expected = {
            "torchvision": trunk("backbone.body.", a) | of_torchvision.head(three, 91, second=False),
            "torchvision-v2": trunk("backbone.body.", a) | of_torchvision.head(three, 91, second=True),
            "mmdet": trunk("backbone.timm_model.", a) | of_mmdet.retinanet(three, 80),
            "yolov3": trunk("backbone.timm_model.", a) | of_mmdet.yolov3(three, 80),
            "mmseg": trunk("backbone.timm_model.", a) | of_mmseg.fpn(four, 150),
            "deeplabv3": trunk("backbone.timm_model.", a) | of_mmseg.deeplabv3(four[-1], 150),
            "smp": trunk("encoder.model.", a) | of_smp.fpn(four, 150),
        }
        for version in ("v1", "v2", "v3"):
            expected[f"official-{version}"] = ghostnet.classifier(ghostnet.Architecture(version, 100), 1000)
        expected["mindspore"] = ghostnet.classifier(ghostnet.Architecture("v2", 100, mindspore=True), 1000)
        found = {}
        for line in ORIGINALS.read_text().splitlines():
            name, count, known = line.split()
            found[name] = (int(count), known)
        self.assertEqual(found, {name: (len(shapes), digest(shapes)) for name, shapes in expected.items()})

    def test_of_other_spellings_become_todays(self):
        for name, expected in (
            ("backbone.fpn.inner_blocks.1.weight", "backbone.fpn.inner_blocks.1.0.weight"),
            ("head.regression_head.conv.6.bias", "head.regression_head.conv.3.0.bias"),
            ("head.regression_head.conv.3.0.bias", "head.regression_head.conv.3.0.bias"),
            ("backbone.fpn.extra_blocks.p6.weight", "backbone.fpn.extra_blocks.p6.weight"),
        ):
            self.assertEqual(of_torchvision.todays_name(name), expected)
        branch = "blocks.1.0.ghost1.primary_rpr_conv.2"
        self.assertEqual(of_official.timms_name(f"{branch}.bn.weight"), f"{branch}.bn1.weight")
        for name, expected in (
            ("bn1.gamma", "bn1.weight"),
            ("blocks.10.ghost1.short_conv.2.bn.moving_variance", "blocks.6.4.ghost1.short_conv.5.running_var"),
            ("blocks.11.dw.conv.weight", "blocks.7.0.conv_dw.weight"),
            ("blocks.3.shortcut.1.bn.beta", "blocks.3.0.shortcut.3.bias"),
            ("blocks.16.bn.moving_mean", "blocks.9.0.bn1.running_mean"),
            ("blocks.3.se.conv_reduce.bias", "blocks.3.0.se.conv_reduce.bias"),
        ):
            self.assertEqual(of_mindspore.timms_name(name), expected)


if __name__ == "__main__":
    unittest.main()
