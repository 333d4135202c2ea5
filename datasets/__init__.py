"""Datasets: generators, built-in sets, targets, label encodings and uploads, and the id that follows from the content.

A new source is a file in `sources/` and its name in the union there; a target, an encoding, a pixel scaling or an
upload format likewise in `targets/`, `labels.py`, `sources/scaling.py` and `uploads/formats.py`.
"""
