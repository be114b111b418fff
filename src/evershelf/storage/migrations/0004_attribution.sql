-- Events are joined to the answer that caused them. Only those that quote one are in the index.
CREATE INDEX events_recommendation ON events (recommendation_id) WHERE recommendation_id IS NOT NULL;
