-- The app's data of a channel beside what else questions ask of it: the row is several times as long, and elsewhere.
ALTER TABLE channels ADD COLUMN custom TEXT;

UPDATE channels SET custom = (SELECT body -> '$.channel.custom' FROM rows WHERE key = 'channel ' || channels.cid);
