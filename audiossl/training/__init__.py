"""The training room (see ARCHITECTURE.md)."""
