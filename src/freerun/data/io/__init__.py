"""The formats of files that hold series."""
