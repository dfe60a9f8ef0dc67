-- When everything that the server had was here, on its clock: how fresh what is shown offline is.
ALTER TABLE session ADD COLUMN synced_at INTEGER;
