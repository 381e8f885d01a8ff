-- Moves of sites between orchestrators, for lists: a projection of the object that had the site, guarded by updated_at.
CREATE TABLE orc_moves (
  id TEXT PRIMARY KEY,
  org_id TEXT NOT NULL,
  site_id TEXT NOT NULL,
  source TEXT NOT NULL,
  target TEXT NOT NULL,
  state TEXT NOT NULL,
  reason TEXT,
  receipts INTEGER NOT NULL,
  paused_ms INTEGER,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE INDEX orc_moves_newest ON orc_moves (org_id, created_at DESC, id DESC);
CREATE INDEX orc_moves_of_site ON orc_moves (site_id, created_at DESC);
