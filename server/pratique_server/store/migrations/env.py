"""Where alembic meets the connection it was given; there is no other way to run it."""

from alembic import context

from pratique_server.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter a column: the table is copied
)
context.run_migrations()
