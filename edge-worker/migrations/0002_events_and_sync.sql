-- A projection of the Channel objects' events, for lists. Positions are given in the order of arrival by the one
-- writer that D1 has, so whoever reads on behind a position misses none. Each index ends in the position by itself.
CREATE TABLE orc_events (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  org_id TEXT NOT NULL,
  orchestrator_id TEXT NOT NULL,
  site_id TEXT NOT NULL,
  type TEXT NOT NULL,
  data TEXT NOT NULL CHECK (json_valid(data)),
  -- ISO 8601 by the VPS's clock, as it came; received_at is the edge's, in milliseconds.
  created_at TEXT NOT NULL,
  received_at INTEGER NOT NULL
);
CREATE INDEX orc_events_of_org ON orc_events (org_id);
CREATE INDEX orc_events_of_site ON orc_events (org_id, site_id);
CREATE INDEX orc_events_of_type ON orc_events (org_id, type);

-- What the existing API's tables have to tell the orchestrators: the latest state of each row, at the position of its
-- latest change. Positions only grow and are never given twice, so a cursor behind one has all that came before.
CREATE TABLE orc_sync_outbox (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  org_id TEXT NOT NULL,
  table_name TEXT NOT NULL,
  key TEXT NOT NULL,
  -- The row as a JSON object, or NULL: it is deleted, or another organisation's now.
  row TEXT,
  at INTEGER NOT NULL
);
CREATE INDEX orc_sync_outbox_of_org ON orc_sync_outbox (org_id);
CREATE INDEX orc_sync_outbox_of_row ON orc_sync_outbox (table_name, key, org_id);

-- How far each orchestrator's log has what is above, so that the cron wakes only those behind.
CREATE TABLE orc_sync_positions (
  orchestrator_id TEXT PRIMARY KEY,
  position INTEGER NOT NULL,
  -- Rows that were too large for an entry, and so were not sent.
  skipped INTEGER NOT NULL,
  at INTEGER NOT NULL
);
