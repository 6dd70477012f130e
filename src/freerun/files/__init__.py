"""Files that are written atomically and are safe to read.

writing     atomic writing, and JSON
archive     arrays and JSON in one file with a checksum
provenance  versions of the packages that results depend on

`freerun.data` reads the files of series.
"""
