"""What alembic runs; :mod:`nova_lite.db.migrations` hands it a connection."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes["version_table"],
    # All or nothing where the database can (SQLite and PostgreSQL).
    transactional_ddl=context.config.attributes["connection"].dialect.name != "mysql",
)
with context.begin_transaction():
    context.run_migrations()
