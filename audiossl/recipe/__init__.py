"""The language a run is told in: pydantic Configs with every default, and the loader. Imports no torch."""
