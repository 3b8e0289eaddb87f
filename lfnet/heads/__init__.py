"""Windows become scores: one file a head."""
