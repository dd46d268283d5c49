"""Where the text of the real corpora comes from: packages of public registries, and what is text in each of them."""
