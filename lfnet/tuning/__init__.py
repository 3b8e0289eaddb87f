"""Search spaces of settings, and the next trial of a study."""
