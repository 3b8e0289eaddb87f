"""Who was filmed, when, and how they scored."""
