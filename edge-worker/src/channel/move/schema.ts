/**
 * `departures`: moves of sites away from here, the last one of a site being where its requests go for good. `arrivals`:
 * moves to here. `moved_receipts`: receipts that are aboard a departure (`aboard` = 1) or may be, and what the
 * orchestrator of before has told of them since, until the new object knows it.
 */
export const MOVE_TABLES = [
  `CREATE TABLE departures (
     move_id TEXT PRIMARY KEY, site_id TEXT NOT NULL, target TEXT NOT NULL, actor TEXT NOT NULL,
     state TEXT NOT NULL CHECK (
       state IN ('preparing', 'moving', 'committing', 'moved', 'following', 'done', 'undoing', 'undone', 'closed')),
     began_at INTEGER NOT NULL, held_at INTEGER, moved_at INTEGER, changed_at INTEGER NOT NULL, reason TEXT,
     receipts INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID`,
  `CREATE TABLE arrivals (
     move_id TEXT PRIMARY KEY, site_id TEXT NOT NULL, source TEXT NOT NULL, actor TEXT NOT NULL,
     generation INTEGER NOT NULL, runs INTEGER NOT NULL,
     state TEXT NOT NULL CHECK (state IN ('preparing', 'owns', 'here', 'undone')),
     command_id TEXT, began_at INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE moved_receipts (
     receipt_id TEXT PRIMARY KEY, move_id TEXT NOT NULL, aboard INTEGER NOT NULL, report TEXT) WITHOUT ROWID`,
  `CREATE INDEX moved_receipts_reported ON moved_receipts (receipt_id) WHERE report IS NOT NULL`,
];

/**
 * `held_commands`: commands of sites that are being moved, which were never sent; `packed` is the row of one that has come
 * here, until this object owns the site. `moved_commands`: those that have left with their sites. In `arrivals`, `workers`
 * is what the orchestrator here is to take over.
 */
export const TRAVELLING_COMMANDS = [
  `CREATE TABLE held_commands (
     command_id TEXT PRIMARY KEY, move_id TEXT NOT NULL, site_id TEXT NOT NULL, n INTEGER NOT NULL, body TEXT NOT NULL,
     packed TEXT) WITHOUT ROWID`,
  `CREATE INDEX held_commands_of_move ON held_commands (move_id, n)`,
  `CREATE TABLE moved_commands (command_id TEXT PRIMARY KEY, move_id TEXT NOT NULL) WITHOUT ROWID`,
  ...['commands', 'workers'].map(
    (column) => `ALTER TABLE departures ADD COLUMN ${column} INTEGER NOT NULL DEFAULT 0`,
  ),
  `ALTER TABLE arrivals RENAME TO arrivals_before`,
  `CREATE TABLE arrivals (
     move_id TEXT PRIMARY KEY, site_id TEXT NOT NULL, source TEXT NOT NULL, actor TEXT NOT NULL,
     generation INTEGER NOT NULL, runs INTEGER NOT NULL,
     state TEXT NOT NULL CHECK (state IN ('preparing', 'owns', 'here', 'undoing', 'undone')),
     command_id TEXT, began_at INTEGER NOT NULL, workers TEXT NOT NULL DEFAULT '[]') WITHOUT ROWID`,
  `INSERT INTO arrivals (move_id, site_id, source, actor, generation, runs, state, command_id, began_at)
     SELECT move_id, site_id, source, actor, generation, runs, state, command_id, began_at FROM arrivals_before`,
  `DROP TABLE arrivals_before`,
];
