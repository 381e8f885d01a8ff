-- SQLite allows a row without an id. One that loses its id is gone for the orchestrators, and one that gets an id is
-- new to them: its update to itself fires the trigger of 0003.

CREATE TRIGGER orc_sync_agencies_nameless AFTER UPDATE ON agencies WHEN OLD.id IS NOT NULL AND NEW.id IS NULL BEGIN
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at)
    VALUES (OLD.id, 'agencies', OLD.id, NULL, unixepoch() * 1000);
  DELETE FROM orc_sync_outbox WHERE table_name = 'agencies' AND key = OLD.id AND position < (
    SELECT MAX(position) FROM orc_sync_outbox AS newer
    WHERE newer.table_name = 'agencies' AND newer.key = orc_sync_outbox.key AND newer.org_id = orc_sync_outbox.org_id);
END;

CREATE TRIGGER orc_sync_agencies_named AFTER UPDATE ON agencies WHEN OLD.id IS NULL AND NEW.id IS NOT NULL BEGIN
  UPDATE agencies SET id = id WHERE id = NEW.id;
END;

CREATE TRIGGER orc_sync_customers_nameless AFTER UPDATE ON customers WHEN OLD.id IS NOT NULL AND NEW.id IS NULL BEGIN
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at)
    VALUES (OLD.agency_id, 'customers', OLD.id, NULL, unixepoch() * 1000);
  DELETE FROM orc_sync_outbox WHERE table_name = 'customers' AND key = OLD.id AND position < (
    SELECT MAX(position) FROM orc_sync_outbox AS newer
    WHERE newer.table_name = 'customers' AND newer.key = orc_sync_outbox.key AND newer.org_id = orc_sync_outbox.org_id);
END;

CREATE TRIGGER orc_sync_customers_named AFTER UPDATE ON customers WHEN OLD.id IS NULL AND NEW.id IS NOT NULL BEGIN
  UPDATE customers SET id = id WHERE id = NEW.id;
END;
