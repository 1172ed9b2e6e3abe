"""Watermarks that hide a face from strangers and prove whose photo it is (dpg)."""
