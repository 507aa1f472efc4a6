"""The parts of convert.py: readers of files, one `of_*.py` for each source of checkpoints, and what they share.

No file that is converted runs code: torch's files go through its weights-only unpickler (`pickled.py`), MindSpore's
through a parser of ours (`protobuf.py`). """
