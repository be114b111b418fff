-- Nothing is kept: the same question about the same time has the same answer, however often events were sent or shipped
-- (they are stored once). An event counts for the recommendation that it quotes, if its item stood on that list and it
-- happened within the window; an answer counts once a kind, however often it was clicked.

-- name: by_group
-- Answers decided in [$1, $2), with what came of each within the interval $3. Clocks of callers may run late by 5 minutes.
WITH answers AS (
    SELECT recommendation_id, decided_at, placement, source, reason, coalesce(model_version, '') AS model_version,
           (user_id IS NOT NULL OR session_id IS NOT NULL) AS known, item_ids
    FROM decisions
    WHERE decided_at >= $1 AND decided_at < $2 AND record->>'purpose' IS DISTINCT FROM 'replay'
), outcomes AS (
    SELECT a.recommendation_id,
           bool_or(e.event_type = 'view_item_list') AS shown,
           bool_or(e.event_type IN ('select_item', 'view_item')) AS clicked,
           bool_or(e.event_type = 'add_to_cart') AS carted,
           bool_or(e.event_type = 'purchase') AS bought
    FROM answers a
    JOIN events e ON e.recommendation_id = a.recommendation_id
                 AND e.item_id = ANY (a.item_ids)
                 AND e.occurred_at >= a.decided_at - interval '5 minutes'
                 AND e.occurred_at < a.decided_at + $3::interval
    WHERE e.occurred_at >= $1::timestamptz - interval '5 minutes' AND e.occurred_at < $2::timestamptz + $3::interval
    GROUP BY a.recommendation_id
)
SELECT placement, source, reason, model_version, known,
       count(*) AS answers,
       count(*) FILTER (WHERE shown) AS impressions,
       count(*) FILTER (WHERE clicked) AS clicks,
       count(*) FILTER (WHERE carted) AS carts,
       count(*) FILTER (WHERE bought) AS purchases
FROM answers LEFT JOIN outcomes USING (recommendation_id)
GROUP BY placement, source, reason, model_version, known
ORDER BY answers DESC, placement, source, reason, model_version
LIMIT $4

-- name: clicks_by_version
-- Answers of each model version since $1 and how many of them were clicked.
SELECT d.model_version,
       count(*) AS answers,
       count(*) FILTER (WHERE EXISTS (
           SELECT FROM events e
           WHERE e.recommendation_id = d.recommendation_id AND e.event_type IN ('select_item', 'view_item')
             AND e.item_id = ANY (d.item_ids) AND e.occurred_at >= $1::timestamptz - interval '5 minutes'
       )) AS clicks
FROM decisions d
WHERE d.decided_at >= $1 AND d.model_version IS NOT NULL AND d.record->>'purpose' IS DISTINCT FROM 'replay'
GROUP BY d.model_version
