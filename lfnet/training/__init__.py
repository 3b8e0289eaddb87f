"""One job: fit one head with one seed and leave a run folder."""
