"""The parts of prove_sources.py and prove_exports.py, which explain them."""
