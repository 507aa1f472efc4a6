"""The parts of make_detection_fixtures.py and make_segmentation_fixtures.py, which explain them."""
