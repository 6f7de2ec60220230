"""The part of the measured sites that is the same for every package: settings, upload view, storage operations."""
