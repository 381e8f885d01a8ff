-- This file belongs to the existing API's schema: it needs its tables `agencies` and `customers`, and must follow when
-- their columns change. Every change of a row leaves the row's latest state in orc_sync_outbox, in the transaction of
-- the change, for the organisation whose row it is (an agency is an organisation).
--
-- Each trigger writes the new state first and deletes the older ones after it: "OR REPLACE" would not do, because
-- inside a trigger the conflict clause of the statement that fired it is the one that counts. Nor does a REPLACE fire
-- delete triggers; so whoever else had the row (a customer who has moved) is told so by what the outbox still shows,
-- not by the old row.
--
-- No trigger may fail: the existing API's write would fail with it. So a blob is written as hex, which JSON can hold; a
-- row far beyond what an entry takes is written as blanks of that size, and passed over like any that does not fit; and
-- a row without an id, which SQLite allows, is nobody's.

CREATE TRIGGER orc_sync_agencies_insert AFTER INSERT ON agencies WHEN NEW.id IS NOT NULL BEGIN
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at) VALUES (NEW.id, 'agencies', NEW.id,
    CASE WHEN COALESCE(octet_length(NEW.id), 0) + COALESCE(octet_length(NEW.name), 0) + COALESCE(octet_length(NEW.plan), 0) + COALESCE(octet_length(NEW.created_at), 0) > 65000 THEN printf('%70000s', '')
      ELSE json_object(
        'id', CASE typeof(NEW.id) WHEN 'blob' THEN hex(NEW.id) ELSE NEW.id END,
        'name', CASE typeof(NEW.name) WHEN 'blob' THEN hex(NEW.name) ELSE NEW.name END,
        'plan', CASE typeof(NEW.plan) WHEN 'blob' THEN hex(NEW.plan) ELSE NEW.plan END,
        'created_at', CASE typeof(NEW.created_at) WHEN 'blob' THEN hex(NEW.created_at) ELSE NEW.created_at END) END,
    unixepoch() * 1000);
  DELETE FROM orc_sync_outbox WHERE table_name = 'agencies' AND key = NEW.id AND position < (
    SELECT MAX(position) FROM orc_sync_outbox AS newer
    WHERE newer.table_name = 'agencies' AND newer.key = orc_sync_outbox.key AND newer.org_id = orc_sync_outbox.org_id);
END;

CREATE TRIGGER orc_sync_agencies_update AFTER UPDATE ON agencies WHEN OLD.id IS NOT NULL AND NEW.id IS NOT NULL BEGIN
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at)
    SELECT OLD.id, 'agencies', OLD.id, NULL, unixepoch() * 1000 WHERE OLD.id <> NEW.id;
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at) VALUES (NEW.id, 'agencies', NEW.id,
    CASE WHEN COALESCE(octet_length(NEW.id), 0) + COALESCE(octet_length(NEW.name), 0) + COALESCE(octet_length(NEW.plan), 0) + COALESCE(octet_length(NEW.created_at), 0) > 65000 THEN printf('%70000s', '')
      ELSE json_object(
        'id', CASE typeof(NEW.id) WHEN 'blob' THEN hex(NEW.id) ELSE NEW.id END,
        'name', CASE typeof(NEW.name) WHEN 'blob' THEN hex(NEW.name) ELSE NEW.name END,
        'plan', CASE typeof(NEW.plan) WHEN 'blob' THEN hex(NEW.plan) ELSE NEW.plan END,
        'created_at', CASE typeof(NEW.created_at) WHEN 'blob' THEN hex(NEW.created_at) ELSE NEW.created_at END) END,
    unixepoch() * 1000);
  DELETE FROM orc_sync_outbox WHERE table_name = 'agencies' AND key IN (OLD.id, NEW.id) AND position < (
    SELECT MAX(position) FROM orc_sync_outbox AS newer
    WHERE newer.table_name = 'agencies' AND newer.key = orc_sync_outbox.key AND newer.org_id = orc_sync_outbox.org_id);
END;

CREATE TRIGGER orc_sync_agencies_delete AFTER DELETE ON agencies WHEN OLD.id IS NOT NULL BEGIN
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at)
    VALUES (OLD.id, 'agencies', OLD.id, NULL, unixepoch() * 1000);
  DELETE FROM orc_sync_outbox WHERE table_name = 'agencies' AND key = OLD.id AND position < (
    SELECT MAX(position) FROM orc_sync_outbox AS newer
    WHERE newer.table_name = 'agencies' AND newer.key = orc_sync_outbox.key AND newer.org_id = orc_sync_outbox.org_id);
END;

CREATE TRIGGER orc_sync_customers_insert AFTER INSERT ON customers WHEN NEW.id IS NOT NULL BEGIN
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at) VALUES (NEW.agency_id, 'customers', NEW.id,
    CASE WHEN COALESCE(octet_length(NEW.id), 0) + COALESCE(octet_length(NEW.agency_id), 0) + COALESCE(octet_length(NEW.name), 0) + COALESCE(octet_length(NEW.website), 0) + COALESCE(octet_length(NEW.google_ads_id), 0) + COALESCE(octet_length(NEW.status), 0) + COALESCE(octet_length(NEW.config), 0) + COALESCE(octet_length(NEW.created_at), 0) + COALESCE(octet_length(NEW.updated_at), 0) > 65000 THEN printf('%70000s', '')
      ELSE json_object(
        'id', CASE typeof(NEW.id) WHEN 'blob' THEN hex(NEW.id) ELSE NEW.id END,
        'agency_id', CASE typeof(NEW.agency_id) WHEN 'blob' THEN hex(NEW.agency_id) ELSE NEW.agency_id END,
        'name', CASE typeof(NEW.name) WHEN 'blob' THEN hex(NEW.name) ELSE NEW.name END,
        'website', CASE typeof(NEW.website) WHEN 'blob' THEN hex(NEW.website) ELSE NEW.website END,
        'google_ads_id', CASE typeof(NEW.google_ads_id) WHEN 'blob' THEN hex(NEW.google_ads_id) ELSE NEW.google_ads_id END,
        'status', CASE typeof(NEW.status) WHEN 'blob' THEN hex(NEW.status) ELSE NEW.status END,
        'config', CASE typeof(NEW.config) WHEN 'blob' THEN hex(NEW.config) ELSE NEW.config END,
        'created_at', CASE typeof(NEW.created_at) WHEN 'blob' THEN hex(NEW.created_at) ELSE NEW.created_at END,
        'updated_at', CASE typeof(NEW.updated_at) WHEN 'blob' THEN hex(NEW.updated_at) ELSE NEW.updated_at END) END,
    unixepoch() * 1000);
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at)
    SELECT org_id, table_name, key, NULL, unixepoch() * 1000 FROM orc_sync_outbox
    WHERE table_name = 'customers' AND key = NEW.id AND org_id <> NEW.agency_id AND row IS NOT NULL;
  DELETE FROM orc_sync_outbox WHERE table_name = 'customers' AND key = NEW.id AND position < (
    SELECT MAX(position) FROM orc_sync_outbox AS newer
    WHERE newer.table_name = 'customers' AND newer.key = orc_sync_outbox.key AND newer.org_id = orc_sync_outbox.org_id);
END;

CREATE TRIGGER orc_sync_customers_update AFTER UPDATE ON customers WHEN OLD.id IS NOT NULL AND NEW.id IS NOT NULL BEGIN
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at)
    SELECT OLD.agency_id, 'customers', OLD.id, NULL, unixepoch() * 1000 WHERE OLD.id <> NEW.id;
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at) VALUES (NEW.agency_id, 'customers', NEW.id,
    CASE WHEN COALESCE(octet_length(NEW.id), 0) + COALESCE(octet_length(NEW.agency_id), 0) + COALESCE(octet_length(NEW.name), 0) + COALESCE(octet_length(NEW.website), 0) + COALESCE(octet_length(NEW.google_ads_id), 0) + COALESCE(octet_length(NEW.status), 0) + COALESCE(octet_length(NEW.config), 0) + COALESCE(octet_length(NEW.created_at), 0) + COALESCE(octet_length(NEW.updated_at), 0) > 65000 THEN printf('%70000s', '')
      ELSE json_object(
        'id', CASE typeof(NEW.id) WHEN 'blob' THEN hex(NEW.id) ELSE NEW.id END,
        'agency_id', CASE typeof(NEW.agency_id) WHEN 'blob' THEN hex(NEW.agency_id) ELSE NEW.agency_id END,
        'name', CASE typeof(NEW.name) WHEN 'blob' THEN hex(NEW.name) ELSE NEW.name END,
        'website', CASE typeof(NEW.website) WHEN 'blob' THEN hex(NEW.website) ELSE NEW.website END,
        'google_ads_id', CASE typeof(NEW.google_ads_id) WHEN 'blob' THEN hex(NEW.google_ads_id) ELSE NEW.google_ads_id END,
        'status', CASE typeof(NEW.status) WHEN 'blob' THEN hex(NEW.status) ELSE NEW.status END,
        'config', CASE typeof(NEW.config) WHEN 'blob' THEN hex(NEW.config) ELSE NEW.config END,
        'created_at', CASE typeof(NEW.created_at) WHEN 'blob' THEN hex(NEW.created_at) ELSE NEW.created_at END,
        'updated_at', CASE typeof(NEW.updated_at) WHEN 'blob' THEN hex(NEW.updated_at) ELSE NEW.updated_at END) END,
    unixepoch() * 1000);
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at)
    SELECT org_id, table_name, key, NULL, unixepoch() * 1000 FROM orc_sync_outbox
    WHERE table_name = 'customers' AND key = NEW.id AND org_id <> NEW.agency_id AND row IS NOT NULL;
  DELETE FROM orc_sync_outbox WHERE table_name = 'customers' AND key IN (OLD.id, NEW.id) AND position < (
    SELECT MAX(position) FROM orc_sync_outbox AS newer
    WHERE newer.table_name = 'customers' AND newer.key = orc_sync_outbox.key AND newer.org_id = orc_sync_outbox.org_id);
END;

CREATE TRIGGER orc_sync_customers_delete AFTER DELETE ON customers WHEN OLD.id IS NOT NULL BEGIN
  INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at)
    VALUES (OLD.agency_id, 'customers', OLD.id, NULL, unixepoch() * 1000);
  DELETE FROM orc_sync_outbox WHERE table_name = 'customers' AND key = OLD.id AND position < (
    SELECT MAX(position) FROM orc_sync_outbox AS newer
    WHERE newer.table_name = 'customers' AND newer.key = orc_sync_outbox.key AND newer.org_id = orc_sync_outbox.org_id);
END;

-- The rows that are there already.
INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at)
  SELECT id, 'agencies', id, CASE WHEN COALESCE(octet_length(id), 0) + COALESCE(octet_length(name), 0) + COALESCE(octet_length(plan), 0) + COALESCE(octet_length(created_at), 0) > 65000 THEN printf('%70000s', '')
      ELSE json_object(
        'id', CASE typeof(id) WHEN 'blob' THEN hex(id) ELSE id END,
        'name', CASE typeof(name) WHEN 'blob' THEN hex(name) ELSE name END,
        'plan', CASE typeof(plan) WHEN 'blob' THEN hex(plan) ELSE plan END,
        'created_at', CASE typeof(created_at) WHEN 'blob' THEN hex(created_at) ELSE created_at END) END,
    unixepoch() * 1000 FROM agencies WHERE id IS NOT NULL;
INSERT INTO orc_sync_outbox (org_id, table_name, key, row, at)
  SELECT agency_id, 'customers', id, CASE WHEN COALESCE(octet_length(id), 0) + COALESCE(octet_length(agency_id), 0) + COALESCE(octet_length(name), 0) + COALESCE(octet_length(website), 0) + COALESCE(octet_length(google_ads_id), 0) + COALESCE(octet_length(status), 0) + COALESCE(octet_length(config), 0) + COALESCE(octet_length(created_at), 0) + COALESCE(octet_length(updated_at), 0) > 65000 THEN printf('%70000s', '')
      ELSE json_object(
        'id', CASE typeof(id) WHEN 'blob' THEN hex(id) ELSE id END,
        'agency_id', CASE typeof(agency_id) WHEN 'blob' THEN hex(agency_id) ELSE agency_id END,
        'name', CASE typeof(name) WHEN 'blob' THEN hex(name) ELSE name END,
        'website', CASE typeof(website) WHEN 'blob' THEN hex(website) ELSE website END,
        'google_ads_id', CASE typeof(google_ads_id) WHEN 'blob' THEN hex(google_ads_id) ELSE google_ads_id END,
        'status', CASE typeof(status) WHEN 'blob' THEN hex(status) ELSE status END,
        'config', CASE typeof(config) WHEN 'blob' THEN hex(config) ELSE config END,
        'created_at', CASE typeof(created_at) WHEN 'blob' THEN hex(created_at) ELSE created_at END,
        'updated_at', CASE typeof(updated_at) WHEN 'blob' THEN hex(updated_at) ELSE updated_at END) END,
    unixepoch() * 1000 FROM customers WHERE id IS NOT NULL;
