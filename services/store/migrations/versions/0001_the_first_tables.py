"""the first tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.store.engine import Instant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False, comment="the newest PolicyEvent as JSON"),
        sa.Column("first_at", Instant(), nullable=False, comment="start of the time its sources tell it in"),
        sa.Column("last_at", Instant(), nullable=False, comment="end of that time, or the last date it names"),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index(op.f("ix_events_last_at"), "events", ["last_at"], unique=False)
    op.create_index(op.f("ix_events_slug"), "events", ["slug"], unique=False)
    op.create_index(op.f("ix_events_updated_at"), "events", ["updated_at"], unique=False)
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("until", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "outbox",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False, comment="a JSON list of name and value"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "verdicts",
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False, comment="the PolicySignal as JSON"),
        sa.Column("verdict_class", sa.Text(), nullable=False),
        sa.Column("observed_at", Instant(), nullable=False),
        sa.Column("ruleset_activated_at", Instant(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=True, comment="null while it belongs to no event"),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_verdicts")),
    )
    op.create_table(
        "alerts",
        sa.Column("id", sa.Text(), nullable=False, comment="event id and version"),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="new, update, reversal, correction or withdrawal"),
        sa.Column("rank", sa.Integer(), nullable=False, comment="1 to 5, taxonomy 5.3"),
        sa.Column("fresh", sa.Boolean(), nullable=False, comment="false: shown, never pushed"),
        sa.Column("event", sa.Text(), nullable=False, comment="the PolicyEvent as told"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("fanned_out_at", Instant(), nullable=True),
        sa.Column("fanout_cursor", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_alerts_event_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index(op.f("ix_alerts_event_id"), "alerts", ["event_id"], unique=False)
    op.create_index(
        "ix_alerts_unfanned",
        "alerts",
        ["created_at"],
        unique=False,
        sqlite_where=sa.text("fanned_out_at IS NULL"),
        postgresql_where=sa.text("fanned_out_at IS NULL"),
    )
    op.create_table(
        "event_items",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_event_items_event_id")),
        sa.PrimaryKeyConstraint("event_id", "item_id", name=op.f("pk_event_items")),
    )
    op.create_index(op.f("ix_event_items_item_id"), "event_items", ["item_id"], unique=False)
    op.create_table(
        "event_keys",
        sa.Column("key", sa.Text(), nullable=False, comment="such as product:H20: the index candidates are found by"),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_event_keys_event_id")),
        sa.PrimaryKeyConstraint("key", "event_id", name=op.f("pk_event_keys")),
    )
    op.create_index(op.f("ix_event_keys_event_id"), "event_keys", ["event_id"], unique=False)
    op.create_table(
        "event_versions",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("changes", sa.Text(), nullable=False, comment="a JSON list; empty when only the source list changed"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_event_versions_event_id")),
        sa.PrimaryKeyConstraint("event_id", "version", name=op.f("pk_event_versions")),
    )
    op.create_table(
        "held",
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("until", Instant(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["verdicts.item_id"], name=op.f("fk_held_item_id")),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_held")),
    )
    op.create_index(op.f("ix_held_until"), "held", ["until"], unique=False)
    op.create_table(
        "held_keys",
        sa.Column("key", sa.Text(), nullable=False, comment="what a held item waits for"),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["held.item_id"], name=op.f("fk_held_keys_item_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key", "item_id", name=op.f("pk_held_keys")),
    )
    op.create_index(op.f("ix_held_keys_item_id"), "held_keys", ["item_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_held_keys_item_id"), table_name="held_keys")
    op.drop_table("held_keys")
    op.drop_index(op.f("ix_held_until"), table_name="held")
    op.drop_table("held")
    op.drop_table("event_versions")
    op.drop_index(op.f("ix_event_keys_event_id"), table_name="event_keys")
    op.drop_table("event_keys")
    op.drop_index(op.f("ix_event_items_item_id"), table_name="event_items")
    op.drop_table("event_items")
    op.drop_index("ix_alerts_unfanned", table_name="alerts", sqlite_where=sa.text("fanned_out_at IS NULL"), postgresql_where=sa.text("fanned_out_at IS NULL"))
    op.drop_index(op.f("ix_alerts_event_id"), table_name="alerts")
    op.drop_table("alerts")
    op.drop_table("verdicts")
    op.drop_table("outbox")
    op.drop_table("leases")
    op.drop_index(op.f("ix_events_updated_at"), table_name="events")
    op.drop_index(op.f("ix_events_slug"), table_name="events")
    op.drop_index(op.f("ix_events_last_at"), table_name="events")
    op.drop_table("events")
