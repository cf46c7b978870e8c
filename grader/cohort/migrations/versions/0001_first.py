"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "submission",
        sa.Column("kata", sa.Text, primary_key=True),
        sa.Column("hash", sa.Text, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
    )
    op.create_table(
        "hand_in",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("learner", sa.Text, nullable=False),
        sa.Column("kata", sa.Text, nullable=False),
        sa.Column("submission", sa.Text),
        sa.Column("refusal", sa.Text),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("collected", sa.DateTime, nullable=False),
    )
    op.create_index("hand_in_learner", "hand_in", ["learner", "kata"])
    op.create_index("hand_in_submission", "hand_in", ["kata", "submission"])
    op.create_table(
        "grading",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("submission", sa.Text, nullable=False),
        sa.Column("kata", sa.Text, nullable=False),
        sa.Column("edition", sa.Text, nullable=False),
        sa.Column("kata_hash", sa.Text, nullable=False),
        sa.Column("image", sa.Text, nullable=False),
        sa.Column("grader", sa.Text, nullable=False),
        sa.Column("engine", sa.Text, nullable=False),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("points", sa.Integer, nullable=False),
        sa.Column("possible", sa.Integer, nullable=False),
        sa.Column("failing", sa.Text, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
    )
    op.create_index("grading_submission", "grading", ["kata", "submission"])
    op.create_table(
        "trouble",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("submission", sa.Text, nullable=False),
        sa.Column("kata", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("parked", sa.Boolean, nullable=False),
    )
    op.create_table(
        "ruling",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("learner", sa.Text, nullable=False),
        sa.Column("kata", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("points", sa.Float),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_index("ruling_learner", "ruling", ["learner", "kata"])
    op.create_table(
        "run",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("begun", sa.DateTime, nullable=False),
        sa.Column("seen", sa.DateTime, nullable=False),
        sa.Column("ended", sa.DateTime),
        sa.Column("engine", sa.Text, nullable=False),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("due", sa.Integer, nullable=False),
        sa.Column("graded", sa.Integer, nullable=False),
        sa.Column("troubles", sa.Integer, nullable=False),
    )
    op.create_table(
        "fact",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
