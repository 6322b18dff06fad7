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
        "accounts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False, comment="rises over all accounts with every change to who hears what"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
    )
    op.create_index(op.f("ix_accounts_revision"), "accounts", ["revision"], unique=False)
    op.create_table(
        "brakes",
        sa.Column("scope", sa.Text(), nullable=False, comment="all, channel:KIND or destination:ACCOUNT/ID"),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_brakes")),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("merged_into", sa.Text(), nullable=True, comment="the event that this one was merged into"),
        sa.Column("event", sa.Text(), nullable=False, comment="the newest PolicyEvent as JSON"),
        sa.Column("first_at", Instant(), nullable=False, comment="start of the time its sources tell it in"),
        sa.Column("last_at", Instant(), nullable=False, comment="end of that time, or the last date it names"),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index(op.f("ix_events_last_at"), "events", ["last_at"], unique=False)
    op.create_index(op.f("ix_events_merged_into"), "events", ["merged_into"], unique=False)
    op.create_index(op.f("ix_events_slug"), "events", ["slug"], unique=False)
    op.create_index(op.f("ix_events_updated_at"), "events", ["updated_at"], unique=False)
    op.create_table(
        "interventions",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False, comment="one of retract, correct, merge, split, import"),
        sa.Column("event_id", sa.Text(), nullable=True, comment="null for an import, which is about many"),
        sa.Column("other_id", sa.Text(), nullable=True, comment="the event that it was merged into, or that was split off"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False, comment="the particulars as a JSON object"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_interventions")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_interventions_event_id"), "interventions", ["event_id"], unique=False)
    op.create_index(op.f("ix_interventions_other_id"), "interventions", ["other_id"], unique=False)
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
        "seen_items",
        sa.Column("item", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("first_seen_at", Instant(), nullable=False),
        sa.Column("last_seen_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("item", name=op.f("pk_seen_items")),
    )
    op.create_index(op.f("ix_seen_items_last_seen_at"), "seen_items", ["last_seen_at"], unique=False)
    op.create_table(
        "source_states",
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("unmodified", sa.Integer(), server_default="0", nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("first_success_at", Instant(), nullable=True),
        sa.Column("last_success_at", Instant(), nullable=True),
        sa.Column("last_new_at", Instant(), nullable=True),
        sa.Column("next_visit_at", Instant(), nullable=False),
        sa.Column("lease", sa.String(length=64), nullable=True),
        sa.Column("leased_until", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_source_states")),
    )
    op.create_index(op.f("ix_source_states_next_visit_at"), "source_states", ["next_visit_at"], unique=False)
    op.create_table(
        "suppressions",
        sa.Column("digest", sa.Text(), nullable=False, comment="HMAC of the address"),
        sa.Column("why", sa.Text(), nullable=False, comment="such as erased"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_suppressions")),
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
        sa.Column("kind", sa.Text(), nullable=False, comment="new, update, reversal, correction, withdrawal or reminder"),
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
    op.create_index("ix_alerts_unfanned", "alerts", ["fanned_out_at", "created_at"], unique=False)
    op.create_table(
        "destinations",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="such as webhook or email"),
        sa.Column("address", sa.LargeBinary(), nullable=False, comment="encrypted"),
        sa.Column("secret", sa.LargeBinary(), nullable=True, comment="encrypted"),
        sa.Column("headers", sa.LargeBinary(), nullable=True, comment="of its own, a JSON object, encrypted; null for none"),
        sa.Column("verified", sa.Boolean(), nullable=False, comment="its owner has shown that it is theirs, or an operator vouches for it"),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("disabled", sa.Text(), nullable=True, comment="why it was switched off for its own behaviour, such as gone; null while in order"),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False, comment="failed attempts since the last success"),
        sa.Column("failing_since", Instant(), nullable=True, comment="the first failure after the last success"),
        sa.Column("paused_until", Instant(), nullable=True, comment="the breaker is open until then"),
        sa.Column("times", sa.Text(), nullable=False, comment="quiet hours, daily cap and digest times as JSON"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_destinations_account_id")),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_destinations")),
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
        sa.Column("last_at", Instant(), nullable=False, comment="of the event, so that its old namesakes are not even looked at"),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_event_keys_event_id")),
        sa.PrimaryKeyConstraint("key", "event_id", name=op.f("pk_event_keys")),
    )
    op.create_index(op.f("ix_event_keys_event_id"), "event_keys", ["event_id"], unique=False)
    op.create_index("ix_event_keys_key_last_at", "event_keys", ["key", "last_at"], unique=False)
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
        "subscriptions",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("filter", sa.Text(), nullable=False, comment="the `when` tree as JSON"),
        sa.Column("cadence", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False, comment="alerts raised before are not told"),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_subscriptions_account_id")),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_subscriptions")),
    )
    op.create_table(
        "timers",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="effective, lapse, effective_reminder or lapse_reminder"),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="waiting, done or dropped"),
        sa.Column("why", sa.Text(), nullable=True, comment="of what ended without being told"),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_timers_event_id")),
        sa.PrimaryKeyConstraint("event_id", "kind", "due_at", name=op.f("pk_timers")),
    )
    op.create_index("ix_timers_due", "timers", ["state", "due_at"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("destination_id", sa.Text(), nullable=False),
        sa.Column("alert_id", sa.Text(), nullable=False, comment="of a digest: its leading one"),
        sa.Column("event_id", sa.Text(), nullable=False, comment="of a digest: its own id"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="of the alert: new, update, reversal, correction, withdrawal or reminder; or digest"),
        sa.Column("reasons", sa.Text(), nullable=False, comment="a JSON list of sentences: which subscriptions matched, and why"),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="one of pending, sending, sent, failed, superseded, withheld"),
        sa.Column("why", sa.Text(), nullable=True, comment="the reason of the last attempt, or of the end"),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False, comment="it failed, or its destination was away: it goes out on the budget of such"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("spent", sa.Integer(), nullable=False, comment="attempts before the last replay: the schedule begins anew after them"),
        sa.Column("replays", sa.Integer(), nullable=False, comment="how often it was asked for once more"),
        sa.Column("maybe_sent", sa.Boolean(), nullable=False, comment="an attempt broke off when the receiver may have had it already"),
        sa.Column("lease_token", sa.Text(), nullable=True),
        sa.Column("lease_until", Instant(), nullable=True),
        sa.Column("started_at", Instant(), nullable=True, comment="of the attempt under way, or of the last"),
        sa.Column("sequence", sa.BigInteger(), nullable=True, comment="taken at the first release, kept ever after"),
        sa.Column("previous", sa.BigInteger(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["account_id", "destination_id"], ["destinations.account_id", "destinations.id"], name="fk_deliveries_destinations"),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_deliveries_alert_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index("ix_deliveries_due", "deliveries", ["state", "late", "due_at", "alert_id", "id"], unique=False)
    op.create_index("ix_deliveries_event", "deliveries", ["event_id", "account_id", "destination_id"], unique=False)
    op.create_index("ix_deliveries_place", "deliveries", ["account_id", "destination_id", "state"], unique=False)
    op.create_index("ix_deliveries_sequence", "deliveries", ["account_id", "destination_id", "sequence"], unique=False)
    op.create_table(
        "held_keys",
        sa.Column("key", sa.Text(), nullable=False, comment="what a held item waits for"),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["held.item_id"], name=op.f("fk_held_keys_item_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key", "item_id", name=op.f("pk_held_keys")),
    )
    op.create_index(op.f("ix_held_keys_item_id"), "held_keys", ["item_id"], unique=False)
    op.create_table(
        "notices",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("destination_id", sa.Text(), nullable=False, comment="what it is about"),
        sa.Column("kind", sa.Text(), nullable=False, comment="one of failing, ending, disabled"),
        sa.Column("reason", sa.Text(), nullable=False, comment="of the failure, such as gone"),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="waiting, sending, sent, failed or dropped"),
        sa.Column("why", sa.Text(), nullable=True, comment="the reason of the last attempt, or of the end"),
        sa.Column("mailed_to", sa.Text(), nullable=True, comment="the destination whose mailbox got it"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["account_id", "destination_id"], ["destinations.account_id", "destinations.id"], name="fk_notices_destinations"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
    )
    op.create_index("ix_notices_account", "notices", ["account_id", "at"], unique=False)
    op.create_index("ix_notices_due", "notices", ["state", "due_at"], unique=False)
    op.create_table(
        "subscription_destinations",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("destination_id", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "destination_id"], ["destinations.account_id", "destinations.id"], name="fk_subscription_destinations_destinations"
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "subscription_id"], ["subscriptions.account_id", "subscriptions.id"], name="fk_subscription_destinations_subscriptions"
        ),
        sa.PrimaryKeyConstraint("account_id", "destination_id", "subscription_id", name=op.f("pk_subscription_destinations")),
    )
    op.create_table(
        "waiting_alerts",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("destination_id", sa.Text(), nullable=False),
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="of the alert"),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("cadence", sa.Text(), nullable=False, comment="held, hourly, daily or weekly"),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="waiting, told or dropped"),
        sa.Column("why", sa.Text(), nullable=True, comment="of what was dropped"),
        sa.Column("digest_id", sa.Text(), nullable=True, comment="the digest it is told in"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["account_id", "destination_id"], ["destinations.account_id", "destinations.id"], name="fk_waiting_alerts_destinations"),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_waiting_alerts_alert_id")),
        sa.PrimaryKeyConstraint("account_id", "destination_id", "alert_id", name=op.f("pk_waiting_alerts")),
    )
    op.create_index("ix_waiting_alerts_digest", "waiting_alerts", ["digest_id"], unique=False)
    op.create_index("ix_waiting_alerts_due", "waiting_alerts", ["state", "due_at"], unique=False)
    op.create_index("ix_waiting_alerts_event", "waiting_alerts", ["event_id", "state"], unique=False)
    op.create_table(
        "attempts",
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False, comment="sent, retry, final or abandoned"),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True, comment="of HTTP or SMTP"),
        sa.Column("retry_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_attempts_delivery_id")),
        sa.PrimaryKeyConstraint("delivery_id", "number", name=op.f("pk_attempts")),
    )


def downgrade() -> None:
    op.drop_table("attempts")
    op.drop_index("ix_waiting_alerts_event", table_name="waiting_alerts")
    op.drop_index("ix_waiting_alerts_due", table_name="waiting_alerts")
    op.drop_index("ix_waiting_alerts_digest", table_name="waiting_alerts")
    op.drop_table("waiting_alerts")
    op.drop_table("subscription_destinations")
    op.drop_index("ix_notices_due", table_name="notices")
    op.drop_index("ix_notices_account", table_name="notices")
    op.drop_table("notices")
    op.drop_index(op.f("ix_held_keys_item_id"), table_name="held_keys")
    op.drop_table("held_keys")
    op.drop_index("ix_deliveries_sequence", table_name="deliveries")
    op.drop_index("ix_deliveries_place", table_name="deliveries")
    op.drop_index("ix_deliveries_event", table_name="deliveries")
    op.drop_index("ix_deliveries_due", table_name="deliveries")
    op.drop_table("deliveries")
    op.drop_index("ix_timers_due", table_name="timers")
    op.drop_table("timers")
    op.drop_table("subscriptions")
    op.drop_index(op.f("ix_held_until"), table_name="held")
    op.drop_table("held")
    op.drop_table("event_versions")
    op.drop_index("ix_event_keys_key_last_at", table_name="event_keys")
    op.drop_index(op.f("ix_event_keys_event_id"), table_name="event_keys")
    op.drop_table("event_keys")
    op.drop_index(op.f("ix_event_items_item_id"), table_name="event_items")
    op.drop_table("event_items")
    op.drop_table("destinations")
    op.drop_index("ix_alerts_unfanned", table_name="alerts")
    op.drop_index(op.f("ix_alerts_event_id"), table_name="alerts")
    op.drop_table("alerts")
    op.drop_table("verdicts")
    op.drop_table("suppressions")
    op.drop_index(op.f("ix_source_states_next_visit_at"), table_name="source_states")
    op.drop_table("source_states")
    op.drop_index(op.f("ix_seen_items_last_seen_at"), table_name="seen_items")
    op.drop_table("seen_items")
    op.drop_table("outbox")
    op.drop_table("leases")
    op.drop_index(op.f("ix_interventions_other_id"), table_name="interventions")
    op.drop_index(op.f("ix_interventions_event_id"), table_name="interventions")
    op.drop_table("interventions")
    op.drop_index(op.f("ix_events_updated_at"), table_name="events")
    op.drop_index(op.f("ix_events_slug"), table_name="events")
    op.drop_index(op.f("ix_events_merged_into"), table_name="events")
    op.drop_index(op.f("ix_events_last_at"), table_name="events")
    op.drop_table("events")
    op.drop_table("brakes")
    op.drop_index(op.f("ix_accounts_revision"), table_name="accounts")
    op.drop_table("accounts")
