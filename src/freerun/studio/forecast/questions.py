"""Questions that a page asks when a file cannot be read, and the controls that answer them."""

from __future__ import annotations

import re

QUESTIONS = {
    "id": "Which column names the series?",
    "time": "Which column holds the times?",
    "decimal": "Which sign is the decimal sign?",
    "resample": "How long is a step? Rows may stay at their times, be averaged over equal steps, or be a step each.",
    "zone": "In which time zone are the times?",
    "missing": "What should be done where values are missing?",
    "input": "Which columns are external inputs, and which are to be forecast?",
    "column": "Which columns hold the numbers to forecast?",
}
"""The question, by the option of the command line that the message names,
which is also the name of the control."""

OTHERWISE = (
    "Is it another file? A table has one row for each time, and one column of numbers for each quantity; the names of "
    "the columns are in the first row."
)
"""The question where no option helps."""


def find_question(error: str) -> tuple[str | None, str]:
    """Find the control that may help, and the question that it answers.

    Args:
        error: the message, with its hints at options of the command line.
    """
    named = re.findall(r"--([a-z]+)", error.replace("--target", "--column"))
    known = next((name for name in named if name in QUESTIONS), None)
    return known, QUESTIONS[known] if known is not None else OTHERWISE
