from tests.fixtures.sqlite import database

__all__ = ["database"]
