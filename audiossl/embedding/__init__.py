"""The embedding room (see ARCHITECTURE.md)."""
