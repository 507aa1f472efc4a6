"""Tests of the scripts: python -m unittest discover -s scripts -t scripts"""
