"""Run by Alembic, in the transaction that `Store.open` has begun."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=False)
context.run_migrations()
