"""What each bench found, for people: `table` for a terminal, `charts` for a page, a file for each `bench WHAT`."""
