"""The parts of bench_peers.py; each file says what it is for."""
