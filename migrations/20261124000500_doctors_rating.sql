-- One definition of a doctor's rating (connect-v2 §3.3): the mean of all reviews, one decimal, 0.0 without reviews.
-- What lists sort by is then exactly what they show.

alter table doctors add column rating double precision not null
    generated always as (coalesce(round((rating_sum / nullif(review_count, 0))::numeric, 1), 0)::double precision) stored;

-- The dashboard asks of each session whether it has a follow-up, of any state (connect-v2 19, 20).
create index followups_by_session on followups (session_id);
