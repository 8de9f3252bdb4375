"""The bundle room (see ARCHITECTURE.md)."""
