"""The networks that checkpoints come from, as their own code builds them: for prove_sources.py and export.py.

`of_timm.py`, `of_torchvision.py`, `of_mmdet.py`, `of_mmseg.py` and `of_smp.py` build them from the packages. The
authors' releases in PyTorch (`of_official.py`) and in MindSpore (`of_mindspore.py`) are no packages: those are restated
here, with their names and their arithmetic; prove_sources.py takes their own files where it is told where they are. """
