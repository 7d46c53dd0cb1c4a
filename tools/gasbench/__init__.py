"""What `tools/gas.py` is made of: costs, traces, the measured operations, the written report."""
