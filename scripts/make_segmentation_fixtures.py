#!/usr/bin/env python3
"""Semantic FPN as mmsegmentation and segmentation_models_pytorch compute it, and DeepLabV3 as mmsegmentation does, for the
Rust tests of the crate `heads`.

The networks are the real ones: mmsegmentation's around timm's GhostNetV2 at width 0.25 and narrow themselves,
segmentation_models_pytorch's with all of its constants. DeepLabV3's backbone is dilated as of_deeplabv3.py tells. Weights, the picture, logits and labels of the losses are filled
by formula (formula.py; heads_fixtures/segmented.py).

Written to heads/tests/fixtures/segmentation:
  mmseg, smp
      pixels    the network's input
      quarter   its logits, at a quarter of that
      labels    [H, W] bytes, the class of each pixel of the picture
      sliding   (mmseg) the same with windows of 64x96 in steps of 40x56
  deeplabv3, deeplabv3-d16
      pixels    the network's input
      logits    its logits, at an eighth or a sixteenth of that
      labels    [H, W] bytes, the class of each pixel of the picture
  losses
      NAME/AVERAGE/{loss,gradient}  cross entropy of logits by formula and its gradient; NAME is `mixed`, or `none` where
                                    nothing is labelled; AVERAGE is `all` or `labelled`, what it is divided by
fixture_models.py tells how a tensor is stored (KEY, KEY.stats, KEY.shape; samples where it is large).

Everything was also computed in f64, and the script stops where f32 is too noisy to test against.

Command: python scripts/make_segmentation_fixtures.py      (a minute; requirements.txt and requirements-heads.txt)
"""

import argparse

import cv2
import numpy
import PIL
import timm
import torch

from heads_fixtures import of_deeplabv3, of_mmseg, of_smp, stored

import mmcv
import mmseg
import segmentation_models_pytorch

VERSIONS = {
    "torch": torch.__version__,
    "timm": timm.__version__,
    "mmsegmentation": mmseg.__version__,
    "mmcv-lite": mmcv.__version__,
    "segmentation_models_pytorch": segmentation_models_pytorch.__version__,
    "opencv": cv2.__version__,
    "pillow": PIL.__version__,
    "numpy": numpy.__version__,
}


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    torch.set_num_threads(1)  # sums depend on the number of threads: one machine writes the same bytes every time

    stored.save("segmentation", "mmseg", of_mmseg.whole(), VERSIONS)
    stored.save("segmentation", "smp", of_smp.whole(), VERSIONS)
    stored.save("segmentation", "deeplabv3", of_deeplabv3.whole(8), VERSIONS)
    stored.save("segmentation", "deeplabv3-d16", of_deeplabv3.whole(16), VERSIONS)
    losses: dict = {}
    of_mmseg.losses(losses)
    stored.save("segmentation", "losses", losses, VERSIONS)


if __name__ == "__main__":
    main()
