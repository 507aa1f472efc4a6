"""convert.py on small files of every form: what it writes, and what it refuses without running anything."""

import argparse
import tempfile
import unittest
from pathlib import Path

try:
    import numpy as np
    import torch
    from safetensors.torch import load_file

    import convert
    from converters import folder, ghostnet, of_mindspore, of_mmdet, of_mmseg, of_smp, of_torchvision, protobuf
    from converters.network import Converted
    from converters.refusal import Refused
    from tests import files
except ImportError as missing:
    raise unittest.SkipTest(str(missing)) from None

NARROW = ghostnet.Architecture("v2", 5)


def tensors(a: ghostnet.Architecture = NARROW, classes: int = 3) -> dict:
    """A network of zeros, but for a different first value of each tensor."""
    shapes = ghostnet.classifier(a, classes)
    found = {name: torch.zeros(shape) for name, shape in shapes.items()}
    for number, value in enumerate(found.values()):
        value.view(-1)[0] = number
    return found



class Malicious:
    """An object whose pickle asks to make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


class Files(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.file, self.out = self.folder / "w.pth", self.folder / "out"

    def converted(self, source=None, preset=None) -> Converted:
        return convert.converted(self.file, source, preset)[1]

    def refused(self, source=None, preset=None) -> str:
        text = files.refused(self.converted, source, preset)
        self.assertTrue(text.startswith(str(self.file)), text)
        return text

    def test_a_whole_file_becomes_a_whole_folder(self):
        state = {f"module.{name}": value for name, value in tensors().items()}
        state["module.bn1.num_batches_tracked"] = torch.tensor(7)
        args = argparse.Namespace(width=0.05)
        torch.save({"epoch": 1, "state_dict": state, "args": args, "optimizer": {}}, self.file)
        done = files.convert(self.file, "--from", "official", "--out", self.out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(path.name for path in self.out.iterdir()), ["config.json", "model.safetensors"])
        config = files.config(self.out)
        self.assertEqual((config["architecture"], config["num_classes"]), ("ghostnetv2_005", 3))
        found = load_file(self.out / "model.safetensors")
        self.assertEqual(found.keys(), tensors().keys())
        self.assertTrue(all(torch.equal(found[name], value) for name, value in tensors().items()))
        again = files.convert(self.file, "--out", self.out)
        self.assertEqual(again.returncode, 1)
        self.assertIn("something already", again.stderr)

    def test_every_version_and_form_is_told(self):
        fused = ghostnet.Architecture("v3", 25, fused=True)
        for a in (ghostnet.Architecture("v1", 5), NARROW, ghostnet.Architecture("v3", 25), fused):
            torch.save(tensors(a), self.file, _use_new_zipfile_serialization=False)
            self.assertEqual(self.converted().config["architecture"], a.name)
        gray = ghostnet.Architecture("v2", 5, in_channels=1)
        torch.save(tensors(gray), self.file)
        self.assertEqual(self.converted().config["model_args"], {"in_chans": 1})

    def test_code_in_a_pickle_is_refused_and_not_run(self):
        trap = self.folder / "trap"
        for zipped in (True, False):
            for content in (Malicious(trap), {"state_dict": tensors(), "args": Malicious(trap)}):
                torch.save(content, self.file, _use_new_zipfile_serialization=zipped)
                text = self.refused()
                self.assertIn("could run code: refused unread", text)
                self.assertNotIn("weights_only", text)
                self.assertFalse(trap.exists())
                done = files.convert(self.file, "--out", self.out)
                self.assertEqual((done.returncode, self.out.exists(), trap.exists()), (1, False, False))
                self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)

    def test_a_known_bystander_is_not_run_either(self):
        # `builtins.getattr` of these arguments would fail: the stand-in takes them and does nothing.
        class Asks:
            def __reduce__(self):
                return getattr, ("", "no such attribute")

        torch.save({"state_dict": tensors(), "args": Asks()}, self.file)
        self.assertEqual(self.converted().config["architecture"], NARROW.name)

    def test_damage_is_one_clear_line(self):
        torch.save(tensors(), self.file)
        whole = self.file.read_bytes()
        torch.save(tensors(), self.file, _use_new_zipfile_serialization=False)
        old = self.file.read_bytes()
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 1
        lengths = [(form, cut) for form in (whole, old) for cut in (0, 1, 10, 100, len(form) // 2, len(form) - 1)]
        broken = [*(form[:cut] for form, cut in lengths), flipped]
        for number, content in enumerate([*broken, b"<html>", b"PK\x03\x04", b"\x80\x02"]):
            self.file.write_bytes(content)
            with self.subTest(number):
                text = self.refused("timm")
            self.assertEqual(len(text.splitlines()), 1, text)
        self.assertEqual(files.convert(self.folder / "none.pth", "--out", self.out).returncode, 1)

    def test_mixed_up_files_are_listed(self):
        state = tensors()
        state["conv_haed.bias"] = state.pop("conv_head.bias")
        state["classifier.weight"] = torch.zeros(3, 7)
        torch.save(state, self.file)
        text = self.refused()
        self.assertIn("1 missing: conv_head.bias", text)
        self.assertIn("1 unexpected: conv_haed.bias", text)
        self.assertIn("classifier.weight [3, 7] for [3, 1280]", text)
        for source, expected in (
            ("torchvision", "no head.classification_head"), ("mmdet", "no backbone.timm_model.*"),
            ("mmseg", "found no decode_head"), ("smp", "expected decoder.seg_blocks.*"),
            ("mindspore", "leave --from out"),
        ):
            self.assertIn(expected, self.refused(source))
        torch.save({"a": torch.zeros(2), "b": [1, 2]}, self.file)
        self.assertIn("something else too: b", self.refused())
        torch.save({"layer.weight": torch.zeros(2)}, self.file)
        self.assertIn("layer.weight", self.refused())
        torch.save({f"{p}{n}": t for p in ("", "module.") for n, t in tensors().items()}, self.file)
        self.assertIn("twice", self.refused())
        state = tensors()
        state["bn1.bias"][0] = float("nan")
        torch.save(state, self.file)
        self.assertIn("NaN or infinite values in bn1.bias", files.refused(folder.write, self.out, self.converted()))
        self.assertFalse(self.out.exists())

    def test_heads_of_every_library_are_told(self):
        a = ghostnet.Architecture("v2", 100)
        three, four = (ghostnet.stage_channels(a, ghostnet.TIMM_TAPS[first:]) for first in (1, 0))
        for source, backbone, head, preset, asked in (
            ("torchvision", "backbone.body.", of_torchvision.head(three, 2, False), "torchvision", None),
            ("torchvision", "backbone.body.", of_torchvision.head(three, 2, True), "torchvision-v2", None),
            ("mmdet", "backbone.timm_model.", of_mmdet.retinanet(three, 2), "mmdet", None),
            ("mmdet", "backbone.timm_model.", of_mmdet.yolov3(three, 2), "yolov3", None),
            ("mmdet", "backbone.timm_model.", of_mmdet.yolov3(three, 2), "yolov3-320", "yolov3-320"),
            ("mmseg", "backbone.timm_model.", of_mmseg.fpn(four, 2), "mmseg", None),
            ("mmseg", "backbone.timm_model.", of_mmseg.deeplabv3(four[-1], 2), "deeplabv3", None),
            ("mmseg", "backbone.timm_model.", of_mmseg.deeplabv3(four[-1], 2), "deeplabv3-d16", "deeplabv3-d16"),
            ("smp", "encoder.model.", of_smp.fpn(four, 2), "smp", None),
        ):
            trunk = {f"{backbone}{name}": shape for name, shape in ghostnet.trunk(a, 7, "_").items()}
            # All values of a tensor are one number in the file.
            state = {name: torch.zeros(()).expand(shape) for name, shape in (trunk | head).items()}
            if source == "mmseg":
                state["auxiliary_head.conv_seg.weight"] = torch.zeros(2)
            meta = {"dataset_meta": {"classes": ("cat", "dog")}}
            torch.save({"meta": meta, "state_dict": state}, self.file)
            found, result = convert.converted(self.file, None, asked)
            config = result.config
            self.assertEqual((found, config["head"]["preset"], config["num_classes"]), (source, preset, 2))
            self.assertEqual((config["architecture"], config["label_names"]), (a.name, ["cat", "dog"]))
            self.assertEqual(result.tensors.keys(), (trunk | head).keys())
            lost = sorted(head)[0]
            del state[lost]
            torch.save(state, self.file)
            self.assertIn(lost, self.refused())

    def test_a_preset_is_for_what_weights_do_not_tell(self):
        torch.save(tensors(), self.file)
        with self.assertRaisesRegex(Refused, "leave it out"):
            self.converted(preset="yolov3")


class MindSpore(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.file = Path(holder.name) / "w.ckpt"

    def arrays(self) -> dict:
        """A small network under MindSpore's names."""
        from originals import of_mindspore as original

        network = original.GhostNet(ghostnet.Architecture("v2", 10, mindspore=True), 3)
        return original.parameters(network)

    def write(self, arrays: dict, end: bytes = b"") -> bytes:
        from originals import of_mindspore as original

        content = original.checkpoint(arrays) + end
        self.file.write_bytes(content)
        return content

    def test_a_network_under_its_names(self):
        arrays = self.arrays()
        more = {"global_step": np.zeros((), np.int32), "moments.bn1.gamma": np.zeros(4, np.float32)}
        self.write(arrays | more)
        source, found = convert.converted(self.file, None, None)
        self.assertEqual((source, found.config["architecture"]), ("mindspore", "mindspore_ghostnetv2_010"))
        self.assertEqual(len(found.tensors), len(arrays))
        for name, array in arrays.items():
            np.testing.assert_array_equal(found.tensors[of_mindspore.timms_name(name)].numpy(), array)

    def test_a_file_that_mindspore_wrote(self):
        # MindSpore 2.10: save_checkpoint([…], crc_check=True, append_dict={"note": "text", "lr": 0.5}).
        written = Path(__file__).resolve().parent / "fixtures" / "mindspore-2.10.ckpt"
        self.assertTrue(protobuf.is_checkpoint(written))
        found, a = protobuf.read(written), np.arange(6, dtype=np.float32).reshape(2, 3)
        self.assertEqual(found.keys(), {"bn1.gamma", "half", "epoch_num", "lr"})
        np.testing.assert_array_equal(found["bn1.gamma"], a)
        np.testing.assert_array_equal(found["half"], a.astype(np.float16))
        self.assertEqual((found["epoch_num"].shape, found["epoch_num"].item()), ((), 7))
        self.assertEqual(of_mindspore.weights(found).keys(), {"bn1.weight", "half"})

    def test_forms_of_the_message(self):
        import binascii

        from originals import of_mindspore as original

        a = np.arange(6, dtype=np.float32).reshape(2, 3)
        content = self.write({"a": a})
        self.file.write_bytes(content + b"crc_num" + binascii.crc32(content).to_bytes(10, "big"))
        np.testing.assert_array_equal(protobuf.read(self.file)["a"], a)
        self.file.write_bytes(content + b"crc_num" + (1).to_bytes(10, "big"))
        self.assertIn("checksum differs", files.refused(protobuf.read, self.file))
        # Sizes in one field, a field of a newer version, a tensor in two parts, and one without sizes.
        tensor = original.field(1, b"\x02\x03") + original.field(2, b"Float32")
        parts = [tensor + original.field(3, part.tobytes()) + b"\x20\x01" for part in (a[:1], a[1:])]
        values = [original.field(1, original.field(1, b"a") + original.field(2, part)) for part in parts]
        scalar = b"\x08\x00" + original.field(2, b"Float32") + original.field(3, np.float32(5).tobytes())
        values.append(original.field(1, original.field(1, b"s") + original.field(2, scalar)))
        self.file.write_bytes(b"".join(values))
        found = protobuf.read(self.file)
        np.testing.assert_array_equal(found["a"], a)
        self.assertEqual((found["s"].shape, found["s"].item()), ((), 5))

    def test_damage_is_one_clear_line(self):
        content = self.write({"a": np.ones(5, np.float32), "b": np.ones(2, np.float32)})
        for cut in range(len(content)):
            self.file.write_bytes(content[:cut])
            try:
                self.assertEqual(protobuf.read(self.file).keys(), {"a"}, "cut between two tensors")
            except Refused as refusal:
                self.assertEqual(len(str(refusal).splitlines()), 1)
        generator = np.random.default_rng(1)
        for _ in range(300):
            broken = bytearray(content)
            broken[generator.integers(len(broken))] = generator.integers(256)
            self.file.write_bytes(broken)
            try:
                protobuf.read(self.file)
            except Refused:
                pass

    def test_other_networks_are_listed(self):
        self.write({"a": np.ones(2, np.float32)})
        self.assertIn("among a", files.refused(convert.converted, self.file, "mindspore", None))
        arrays = self.arrays()
        arrays["conv_haed.bias"] = arrays.pop("conv_head.bias")
        self.write(arrays)
        self.assertIn("conv_haed.bias", files.refused(convert.converted, self.file, None, None))
        torch.save(tensors(), self.file)
        self.assertIn("leave --from out", files.refused(convert.converted, self.file, "mindspore", None))


if __name__ == "__main__":
    unittest.main()
