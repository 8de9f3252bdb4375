"""What is to be predicted of an example. Imports nothing heavy."""

from typing import Literal

Target = Literal["single", "multi", "events"]
"""One label per row; any number of labels; labels with onset and offset."""
