"""The parts of export.py: what a folder holds, the forms that it can take, ONNX, and model cards."""
