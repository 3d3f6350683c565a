"""The ledger's tables as they are now. It decides nothing.

An upgrade adds tables, and changes none: where the state is shared, statements that an older version wrote are carried
out after it.
"""

SNAPSHOTS = """CREATE TABLE run_snapshots (
      run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
      position INTEGER NOT NULL, -- that of run_exports
      snapshot TEXT NOT NULL, -- which data was read, for people
      PRIMARY KEY (run, position)
    ) STRICT, WITHOUT ROWID"""

TABLES = (
    """CREATE TABLE ledger (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      lineage TEXT NOT NULL,
      serial INTEGER NOT NULL,
      key_print BLOB NOT NULL,
      fence INTEGER NOT NULL -- grows with each writer, so that the one before is refused
    ) STRICT""",
    """CREATE TABLE connections (
      id INTEGER PRIMARY KEY,
      name TEXT NOT NULL UNIQUE,
      bulk_lists INTEGER CHECK (bulk_lists IN (0, 1))
    ) STRICT""",
    """CREATE TABLE exports (
      connection INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
      number INTEGER NOT NULL,
      name TEXT NOT NULL,
      protected INTEGER NOT NULL CHECK (protected IN (0, 1)),
      keep_retired INTEGER NOT NULL CHECK (keep_retired IN (0, 1)),
      PRIMARY KEY (connection, number),
      UNIQUE (connection, name)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE segments (
      connection INTEGER NOT NULL,
      export INTEGER NOT NULL,
      name TEXT NOT NULL,
      title TEXT NOT NULL,
      slot INTEGER NOT NULL,
      PRIMARY KEY (connection, export, name),
      FOREIGN KEY (connection, export) REFERENCES exports ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE lists (
      connection INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
      slot INTEGER NOT NULL,
      title TEXT NOT NULL,
      list_id TEXT NOT NULL,
      made INTEGER NOT NULL CHECK (made IN (0, 1)),
      behind INTEGER NOT NULL CHECK (behind IN (0, 1)), -- it may hold people whom a later state knew
      PRIMARY KEY (connection, slot)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE foreign_members (
      connection INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
      key BLOB NOT NULL CHECK (length(key) = 16),
      slot INTEGER NOT NULL,
      PRIMARY KEY (connection, key, slot)
    ) STRICT, WITHOUT ROWID""",
    # A claim without its export would be a person whom no plan ever takes off a list again: hence the foreign key
    """CREATE TABLE claims (
      connection INTEGER NOT NULL,
      key BLOB NOT NULL CHECK (length(key) = 16),
      export INTEGER NOT NULL,
      digest BLOB NOT NULL CHECK (length(digest) = 16),
      slots TEXT NOT NULL,
      PRIMARY KEY (connection, key, export),
      FOREIGN KEY (connection, export) REFERENCES exports
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE contacts (
      connection INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
      key BLOB NOT NULL CHECK (length(key) = 16),
      contact_id TEXT NOT NULL,
      PRIMARY KEY (connection, key)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE intents (
      connection INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
      serial INTEGER NOT NULL,
      number INTEGER NOT NULL,
      export INTEGER NOT NULL,
      slot INTEGER NOT NULL,
      keys BLOB NOT NULL CHECK (length(keys) % 16 = 0), -- side by side: one row a request, not one a person
      PRIMARY KEY (connection, serial, number, export)
    ) STRICT, WITHOUT ROWID""",
    # Of the whole project, and for ever: it has no connection, and nothing removes a row
    """CREATE TABLE suppressed (
      key BLOB PRIMARY KEY CHECK (length(key) = 16)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE erasures (
      connection INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
      key BLOB NOT NULL CHECK (length(key) = 16),
      contact_id TEXT, -- NULL: none is known, so that only the address finds the contact
      PRIMARY KEY (connection, key)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE runs (
      serial INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      started TEXT NOT NULL,
      ended TEXT,
      asked TEXT NOT NULL,
      status TEXT NOT NULL,
      checksum TEXT NOT NULL,
      requests INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE run_exports (
      run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
      position INTEGER NOT NULL,
      export TEXT NOT NULL,
      connection TEXT NOT NULL,
      status TEXT NOT NULL,
      action TEXT NOT NULL,
      created INTEGER NOT NULL,
      updated INTEGER NOT NULL,
      gone INTEGER NOT NULL,
      unchanged INTEGER NOT NULL,
      sent INTEGER NOT NULL,
      rejected INTEGER NOT NULL,
      excluded TEXT NOT NULL,
      reasons TEXT NOT NULL,
      allowed TEXT NOT NULL,
      source_mark TEXT NOT NULL, -- what was read, and under which declarations; '' not known
      PRIMARY KEY (run, position)
    ) STRICT, WITHOUT ROWID""",
    # Dropped with its run: by then the serial has long moved on, which refuses the plan too
    """CREATE TABLE used_plans (
      seal TEXT PRIMARY KEY,
      run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE rejects (
      run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
      connection TEXT NOT NULL,
      export TEXT NOT NULL,
      key BLOB NOT NULL CHECK (length(key) = 16),
      reason TEXT NOT NULL,
      PRIMARY KEY (run, connection, export, key)
    ) STRICT, WITHOUT ROWID""",
    SNAPSHOTS,
)
