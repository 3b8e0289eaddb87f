"""Where the jobs of a sweep run: in this process, in processes of this machine, or on a cluster."""
