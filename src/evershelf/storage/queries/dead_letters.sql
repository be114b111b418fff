-- name: count_by_reason
-- Of the newest $1 dead letters; a reason quotes what PostgreSQL said, of which the first part is the kind.
SELECT left(reason, 200) AS reason, count(*) AS count
FROM (SELECT reason FROM dead_letter_events ORDER BY dead_letter_id DESC LIMIT $1) AS newest
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $2
