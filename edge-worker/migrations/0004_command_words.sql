-- What a command is about (a Worker's name, "generation 7"; '' where that was not kept), and why it is in its state. The
-- objects write both, and write their older commands anew.
ALTER TABLE orc_commands ADD COLUMN subject TEXT NOT NULL DEFAULT '';
ALTER TABLE orc_commands ADD COLUMN reason TEXT;
