-- A revoked key's sockets are cut: by whom it was revoked and when, and when the objects of its lanes were last told.
-- One that was revoked by hand has not been told of, and is found each minute.
ALTER TABLE orc_orchestrator_keys ADD COLUMN revoked_at INTEGER;
ALTER TABLE orc_orchestrator_keys ADD COLUMN revoked_by TEXT;
ALTER TABLE orc_orchestrator_keys ADD COLUMN cut_at INTEGER;
CREATE INDEX orc_orchestrator_keys_to_cut ON orc_orchestrator_keys (kid) WHERE state = 'revoked' AND cut_at IS NULL;

CREATE TRIGGER orc_orchestrator_keys_restored AFTER UPDATE OF state ON orc_orchestrator_keys
WHEN OLD.state = 'revoked' AND NEW.state <> 'revoked'
BEGIN
  UPDATE orc_orchestrator_keys SET revoked_at = NULL, revoked_by = NULL, cut_at = NULL WHERE kid = NEW.kid;
END;
