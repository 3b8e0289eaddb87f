"""Run folders become a table: reads files only, runs nothing."""
