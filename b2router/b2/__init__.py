"""The only place that knows b2sdk. Read `session`, then `download` and `objects`; `faults` is the border for errors."""
