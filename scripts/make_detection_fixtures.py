#!/usr/bin/env python3
"""RetinaNet as torchvision and mmdetection compute it, and mmdetection's YOLOv3, for the Rust tests of the crate `heads`.

The networks are the real ones with all of their constants, but narrow: around timm's GhostNetV2 at width 0.25, 32 or 128
channels wide, pictures of about 96 pixels. Their weights are filled by formula (formula.py; heads_fixtures/inputs.py
tells of two exceptions), and so are pictures, ground truth and, where rounding would blur the comparison, raw outputs.

Written to heads/tests/fixtures/detection:
  torchvision_v1, torchvision_v2, mmdet
      a batch of two pictures, one of them without objects: pixels and sizes of the network's input, logits and deltas
      (torchvision's as rows of anchors, mmdetection's level by level), detections/N/{boxes,scores,labels} in the
      pictures' own pixels, losses [classification, boxes], gradient/NAME of their sum, and
      class_gain, the factor on the weights of the class scores
  yolov3
      pixels, sizes and detections/N as above; raw/L, the outputs of levels of stride 32, 16 and 8; gain,
      the factor on the weights of these
  parts
      {torchvision,mmdet}/anchors     of a picture of 64x96
      {torchvision,mmdet}/detections  of raw outputs by formula, in a picture of 60x90
      NAME/{losses,logits/L,deltas/L} losses of raw outputs by formula, and their gradients for each level; NAME is
                                      torchvision/l1, torchvision/giou or mmdet/l1, and the same with /empty for no
                                      objects at all
      nms/...                         boxes, scores, classes; nms/PERCENT: the survivors
  opencv
      NUMBER/from, NUMBER/to          bytes [H, W, 3], and as OpenCV resizes them
fixture_models.py tells how a tensor is stored (KEY, KEY.stats, KEY.shape; samples where it is large).

Every result was also computed in f64, and the script stops where f32 is too noisy to test against, where two scores are
so near to each other that their order is chance, or where hardly anything is detected.

Command: python scripts/make_detection_fixtures.py        (a minute; versions in requirements.txt)
"""

import argparse

import cv2
import mmcv
import mmdet
import numpy
import timm
import torch
import torchvision

from heads_fixtures import of_torchvision, stored
from heads_fixtures import of_mmdet, of_yolov3

VERSIONS = {
    "torch": torch.__version__,
    "torchvision": torchvision.__version__,
    "timm": timm.__version__,
    "mmdet": mmdet.__version__,
    "mmcv-lite": mmcv.__version__,
    "opencv": cv2.__version__,
    "numpy": numpy.__version__,
}


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    torch.set_num_threads(1)  # sums depend on the number of threads: one machine writes the same bytes every time

    stored.save("detection", "torchvision_v1", of_torchvision.whole("v1"), VERSIONS)
    stored.save("detection", "torchvision_v2", of_torchvision.whole("v2"), VERSIONS)
    stored.save("detection", "mmdet", of_mmdet.whole(), VERSIONS)
    stored.save("detection", "yolov3", of_yolov3.whole(), VERSIONS)
    parts: dict = {}
    of_torchvision.heads(parts)
    of_torchvision.suppressed(parts)
    of_mmdet.heads(parts)
    stored.save("detection", "parts", parts, VERSIONS)
    resized: dict = {}
    of_mmdet.resized(resized)
    stored.save("detection", "opencv", resized, VERSIONS)


if __name__ == "__main__":
    main()
