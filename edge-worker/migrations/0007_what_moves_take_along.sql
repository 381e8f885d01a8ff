-- Commands that were never sent, and deployed Workers, that a site has taken along.
ALTER TABLE orc_moves ADD COLUMN commands INTEGER NOT NULL DEFAULT 0;
ALTER TABLE orc_moves ADD COLUMN workers INTEGER NOT NULL DEFAULT 0;
