"""Column types that behave alike on SQLite, MariaDB and PostgreSQL."""

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

Uuid = sa.String(36)
Name = sa.String(255)
Timestamp = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
LongText = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
Json = sa.JSON()
