"""Parts of make_picture_fixtures.py."""
