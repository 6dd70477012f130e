"""Computing resources: processor cores, memory, devices and compiled programs.

cores     cores and memory of this machine, and threads for NumPy
programs  precision and device of JAX, and its compiled programs

This package does not know networks.
"""
