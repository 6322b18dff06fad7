"""Measures on labelled data, pure, and their report."""
