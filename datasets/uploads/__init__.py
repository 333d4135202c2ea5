"""Uploads: npy, npz, csv and IDX, read as streams."""
