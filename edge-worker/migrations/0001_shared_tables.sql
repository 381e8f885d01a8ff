-- What an organisation shares. The database also holds the existing API's tables, so ours begin with orc_.
-- Times are milliseconds since the Unix epoch.

CREATE TABLE orc_organisations (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL
);

CREATE TABLE orc_orchestrators (
  id TEXT PRIMARY KEY,
  org_id TEXT NOT NULL REFERENCES orc_organisations (id),
  -- How many sockets it may open: lanes 0 to lanes - 1.
  lanes INTEGER NOT NULL DEFAULT 1 CHECK (lanes BETWEEN 1 AND 16),
  created_at INTEGER NOT NULL
);
CREATE INDEX orc_orchestrators_of_org ON orc_orchestrators (org_id, id);

CREATE TABLE orc_orchestrator_keys (
  kid TEXT PRIMARY KEY,
  orchestrator_id TEXT NOT NULL REFERENCES orc_orchestrators (id) ON DELETE CASCADE,
  -- P-256, SPKI as PEM; the private half never leaves the VPS.
  public_key TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('active', 'candidate', 'revoked')),
  created_at INTEGER NOT NULL
);
CREATE INDEX orc_orchestrator_keys_of_orchestrator ON orc_orchestrator_keys (orchestrator_id);

CREATE TABLE orc_sites (
  id TEXT PRIMARY KEY,
  org_id TEXT NOT NULL REFERENCES orc_organisations (id),
  orchestrator_id TEXT NOT NULL REFERENCES orc_orchestrators (id),
  name TEXT NOT NULL,
  labels TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(labels)),
  paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
  created_at INTEGER NOT NULL
);
CREATE INDEX orc_sites_of_org ON orc_sites (org_id, id);

CREATE TABLE orc_hostnames (
  hostname TEXT PRIMARY KEY,
  site_id TEXT NOT NULL REFERENCES orc_sites (id) ON DELETE CASCADE,
  org_id TEXT NOT NULL
);
CREATE INDEX orc_hostnames_of_site ON orc_hostnames (site_id, hostname);

-- A projection of the Channel objects' commands, for lists: upserts are guarded by version, so that a late or
-- repeated one changes nothing. It outlives the site that a command was for.
CREATE TABLE orc_commands (
  id TEXT PRIMARY KEY,
  org_id TEXT NOT NULL,
  orchestrator_id TEXT NOT NULL,
  site_id TEXT NOT NULL,
  type TEXT NOT NULL,
  state TEXT NOT NULL,
  created_by TEXT NOT NULL,
  error TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  expires_at INTEGER,
  version INTEGER NOT NULL
);
CREATE INDEX orc_commands_newest ON orc_commands (org_id, created_at DESC, id DESC);
CREATE INDEX orc_commands_of_site ON orc_commands (org_id, site_id, created_at DESC, id DESC);
