"""Measuring: metrics, verification of written files, reports."""
