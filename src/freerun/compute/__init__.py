"""Computing resources: processor cores, memory, devices, compiled programs,
and processes that share work.

cores      cores and memory of this machine, and threads for NumPy
programs   precision and device of JAX, and its compiled programs
processes  run tasks in processes of this machine
machine    examines this machine: versions, cores, memory, GPU, optional packages
engines    run tasks in this process, or on the workers of a Dask cluster

This package does not know networks.
"""
