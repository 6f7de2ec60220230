"""The project: settings, addresses and the two server entries."""
