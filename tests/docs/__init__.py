"""The documentation: it builds, says everything there is, and what it says works."""
