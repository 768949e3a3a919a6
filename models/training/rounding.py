"""How many digits an artefact has."""

# Far more than any prediction needs, and few enough that the last bits of a sum don't show.
DIGITS = 12


def rounded(value):
    """The number with so many significant digits."""
    return float(f"{float(value):.{DIGITS}g}")
