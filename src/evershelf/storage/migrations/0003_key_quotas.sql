-- Expand: a key may have a quota of its own. Code that does not know the column goes on as it was.
ALTER TABLE api_keys ADD COLUMN quota_per_s double precision CHECK (quota_per_s > 0);
