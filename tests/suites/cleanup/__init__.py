"""What django-cleanup's tests stand on and its source archive lacks: copied around them, as their package `test`."""
