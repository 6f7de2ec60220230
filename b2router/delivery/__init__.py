"""How one stored file answers one request. `response` puts it together; the other rooms take facts and give values."""
