-- Expand: the newest training run is looked up by every gateway; the audit log may hold much else after it.
CREATE INDEX audit_log_training ON audit_log (audit_id DESC) WHERE action = 'training.run';
