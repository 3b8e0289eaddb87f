"""Networks' files: where they come from, fetched once, checked by sha256."""
