"""Imports mmdetection's and mmsegmentation's wheels without mmcv's compiled operations.

mmcv-lite has all of mmcv but `mmcv.ops`, which both import at every corner and of which RetinaNet needs one function, `batched_nms`, that is restated below from mmcv 2.1's `ops/nms.py`. The rest are placeholders.
"""

import importlib.abc
import importlib.machinery
import sys
import types

import torch
from torchvision.ops import nms


def batched_nms(boxes, scores, idxs, nms_cfg, class_agnostic=False):
    """mmcv's rule: classes are moved apart by more than the largest coordinate, then it is one suppression."""
    threshold = nms_cfg["iou_threshold"]
    offsets = idxs.to(boxes) * (boxes.max() + torch.tensor(1).to(boxes))
    assert not class_agnostic and boxes.shape[0] < 10000, "mmcv takes another way for these"
    kept = nms(boxes + offsets[:, None], scores, threshold)
    return torch.cat([boxes[kept], scores[kept][:, None]], dim=-1), kept


class _Placeholders(types.ModuleType):
    __path__: list = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return batched_nms if name == "batched_nms" else type(name, (), {})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        if name == "mmcv.ops" or name.startswith("mmcv.ops."):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return _Placeholders(spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, _Finder())
