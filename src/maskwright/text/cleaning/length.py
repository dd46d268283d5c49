"""Documents and lines that are too short to learn from, or too long to be what they should be."""


def length_fault(characters: int, least: int, most: int | None) -> str | None:
    """What is wrong with a length, if something is.

    >>> length_fault(3, 200, None), length_fault(5000, 0, 4096), length_fault(300, 200, None)
    ('3 characters, fewer than 200', '5,000 characters, more than 4,096', None)
    """
    if characters < least:
        return f"{characters:,} characters, fewer than {least:,}"
    if most is not None and characters > most:
        return f"{characters:,} characters, more than {most:,}"
    return None
