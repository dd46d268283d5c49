"""Pages about runs: curves, figures and tables in one HTML file that opens offline."""
