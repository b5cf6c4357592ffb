"""Networks, processes, and the separator that a network and a process make together."""
