"""The smallest Django project that uses b2router: what the tests run."""
