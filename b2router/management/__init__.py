"""Commands of `manage.py b2router`: `commands/b2router` takes them apart, each verb is a module beside this one."""
