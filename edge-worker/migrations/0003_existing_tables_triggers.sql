-- This file belongs to the existing API's schema: it needs its tables `agencies` and `customers`, and must follow when
-- their columns change. Every change of a row leaves the row's latest state in orc_sync_outbox, in the transaction of
-- the change, for the organisation whose row it is (an agency is an organisation).
--
-- Each trigger writes the new state first and deletes the older ones after it: "OR REPLACE" would not do, because
-- inside a trigger the conflict clause of the statement that fired it is the one that counts. Nor does a REPLACE fire
-- delete triggers; so whoever else had the row (a customer who has moved) is told so by what the outbox still shows,
-- not by the old row.

CREATE TRIGGER orc_sync_agencies_insert AFTER INSERT ON agencies BEGIN
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at) VALUES (NEW.id, 'agencies', NEW.id,
    json_object('id', NEW.id, 'name', NEW.name, 'plan', NEW.plan, 'created_at', NEW.created_at),
    unixepoch() * 1000);
  DELETE FROM orc_sync_outbox WHERE table_name = 'agencies' AND key = NEW.id AND position < (
    SELECT MAX(position) FROM orc_sync_outbox AS newer
    WHERE newer.table_name = 'agencies' AND newer.key = orc_sync_outbox.key AND newer.org_id = orc_sync_outbox.org_id);
END;

CREATE TRIGGER orc_sync_agencies_update AFTER UPDATE ON agencies BEGIN
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at)
    SELECT OLD.id, 'agencies', OLD.id, NULL, unixepoch() * 1000 WHERE OLD.id <> NEW.id;
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at) VALUES (NEW.id, 'agencies', NEW.id,
    json_object('id', NEW.id, 'name', NEW.name, 'plan', NEW.plan, 'created_at', NEW.created_at),
    unixepoch() * 1000);
  DELETE FROM orc_sync_outbox WHERE table_name = 'agencies' AND key IN (OLD.id, NEW.id) AND position < (
    SELECT MAX(position) FROM orc_sync_outbox AS newer
    WHERE newer.table_name = 'agencies' AND newer.key = orc_sync_outbox.key AND newer.org_id = orc_sync_outbox.org_id);
END;

CREATE TRIGGER orc_sync_agencies_delete AFTER DELETE ON agencies BEGIN
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at)
    VALUES (OLD.id, 'agencies', OLD.id, NULL, unixepoch() * 1000);
  DELETE FROM orc_sync_outbox WHERE table_name = 'agencies' AND key = OLD.id AND position < (
    SELECT MAX(position) FROM orc_sync_outbox AS newer
    WHERE newer.table_name = 'agencies' AND newer.key = orc_sync_outbox.key AND newer.org_id = orc_sync_outbox.org_id);
END;

CREATE TRIGGER orc_sync_customers_insert AFTER INSERT ON customers BEGIN
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at) VALUES (NEW.agency_id, 'customers', NEW.id,
    json_object('id', NEW.id, 'agency_id', NEW.agency_id, 'name', NEW.name, 'website', NEW.website,
      'google_ads_id', NEW.google_ads_id, 'status', NEW.status, 'config', NEW.config,
      'created_at', NEW.created_at, 'updated_at', NEW.updated_at),
    unixepoch() * 1000);
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at)
    SELECT org_id, table_name, key, NULL, unixepoch() * 1000 FROM orc_sync_outbox
    WHERE table_name = 'customers' AND key = NEW.id AND org_id <> NEW.agency_id AND row IS NOT NULL;
  DELETE FROM orc_sync_outbox WHERE table_name = 'customers' AND key = NEW.id AND position < (
    SELECT MAX(position) FROM orc_sync_outbox AS newer
    WHERE newer.table_name = 'customers' AND newer.key = orc_sync_outbox.key AND newer.org_id = orc_sync_outbox.org_id);
END;

CREATE TRIGGER orc_sync_customers_update AFTER UPDATE ON customers BEGIN
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at)
    SELECT OLD.agency_id, 'customers', OLD.id, NULL, unixepoch() * 1000 WHERE OLD.id <> NEW.id;
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at) VALUES (NEW.agency_id, 'customers', NEW.id,
    json_object('id', NEW.id, 'agency_id', NEW.agency_id, 'name', NEW.name, 'website', NEW.website,
      'google_ads_id', NEW.google_ads_id, 'status', NEW.status, 'config', NEW.config,
      'created_at', NEW.created_at, 'updated_at', NEW.updated_at),
    unixepoch() * 1000);
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at)
    SELECT org_id, table_name, key, NULL, unixepoch() * 1000 FROM orc_sync_outbox
    WHERE table_name = 'customers' AND key = NEW.id AND org_id <> NEW.agency_id AND row IS NOT NULL;
  DELETE FROM orc_sync_outbox WHERE table_name = 'customers' AND key IN (OLD.id, NEW.id) AND position < (
    SELECT MAX(position) FROM orc_sync_outbox AS newer
    WHERE newer.table_name = 'customers' AND newer.key = orc_sync_outbox.key AND newer.org_id = orc_sync_outbox.org_id);
END;

CREATE TRIGGER orc_sync_customers_delete AFTER DELETE ON customers BEGIN
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at)
    VALUES (OLD.agency_id, 'customers', OLD.id, NULL, unixepoch() * 1000);
  DELETE FROM orc_sync_outbox WHERE table_name = 'customers' AND key = OLD.id AND position < (
    SELECT MAX(position) FROM orc_sync_outbox AS newer
    WHERE newer.table_name = 'customers' AND newer.key = orc_sync_outbox.key AND newer.org_id = orc_sync_outbox.org_id);
END;

-- The rows that are there already.
INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at)
  SELECT id, 'agencies', id, json_object('id', id, 'name', name, 'plan', plan, 'created_at', created_at),
    unixepoch() * 1000 FROM agencies;
INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at)
  SELECT agency_id, 'customers', id, json_object('id', id, 'agency_id', agency_id, 'name', name, 'website', website,
      'google_ads_id', google_ads_id, 'status', status, 'config', config, 'created_at', created_at, 'updated_at', updated_at),
    unixepoch() * 1000 FROM customers;
