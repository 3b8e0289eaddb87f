"""Files of networks: fetched once from their sources, checked by sha256."""
