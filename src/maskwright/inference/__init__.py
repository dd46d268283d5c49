"""What a user calls on a finished model: load it, fill blanks, encode texts, look inside."""
