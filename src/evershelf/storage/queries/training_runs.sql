-- name: last
-- The newest training run; its index holds nothing but these.
SELECT at, subject, detail FROM audit_log WHERE action = 'training.run' ORDER BY audit_id DESC LIMIT 1
