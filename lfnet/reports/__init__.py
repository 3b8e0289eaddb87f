"""A table as one page for people, and its pictures for a paper. Reads files only; the page names nobody."""
