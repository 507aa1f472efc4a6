"""The parts of make_detection_fixtures.py, which explains them."""
