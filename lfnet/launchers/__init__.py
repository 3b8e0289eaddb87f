"""Launchers, which run the jobs of a sweep in this process, in processes of this machine, or on a cluster."""
