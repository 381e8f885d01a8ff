-- The existing Hono Workers API's own tables, as far as the orchestrator's data meets them. It lives in the
-- same D1 database; ours carry the prefix orc_. On these we have triggers and nothing else (edge-worker/migrations).
CREATE TABLE IF NOT EXISTS agencies (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  plan TEXT NOT NULL DEFAULT 'starter',
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

CREATE TABLE IF NOT EXISTS customers (
  id TEXT PRIMARY KEY,
  agency_id TEXT NOT NULL REFERENCES agencies (id),
  name TEXT NOT NULL,
  website TEXT,
  google_ads_id TEXT,
  status TEXT NOT NULL DEFAULT 'active',
  config TEXT NOT NULL DEFAULT '{}',
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

CREATE INDEX IF NOT EXISTS customers_by_agency ON customers (agency_id, status);

INSERT OR IGNORE INTO agencies (id, name, plan) VALUES
  ('demo-agency', 'Demo Agency', 'growth'),
  ('other-agency', 'Other Agency', 'starter');

INSERT OR IGNORE INTO customers (id, agency_id, name, website, google_ads_id) VALUES
  ('demo-shop', 'demo-agency', 'Demo Shop', 'https://demo-shop.example', 'AW-100000001'),
  ('other-shop', 'other-agency', 'Other Shop', 'https://other-shop.example', NULL);
