"""A table as text, files, an HTML page, figures and a dashboard. Reads files only; no page has an id of a person."""
