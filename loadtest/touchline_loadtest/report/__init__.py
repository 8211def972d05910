"""Turns a run into one HTML page with plots, and into images for documents."""
