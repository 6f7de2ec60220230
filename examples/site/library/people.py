"""The two logins of the example; `seed` makes them and the login page offers them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    username: str
    password: str
    is_staff: bool
    role: str


PEOPLE = (
    Person("alice", "wonderland", is_staff=False, role="a member of the library"),
    Person("sam", "bluebird", is_staff=True, role="staff; may use the admin too"),
)
