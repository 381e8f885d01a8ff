-- Whose a deleted site was: what goes by its id outlives it, such as a Worker at Cloudflare with its secrets.
CREATE TABLE orc_former_sites (
  id TEXT PRIMARY KEY,
  org_id TEXT NOT NULL
);
