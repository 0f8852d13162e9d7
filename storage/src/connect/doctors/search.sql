-- $1 patient who looks, $2 what is looked for, $3 limit, $4 offset.
-- `%>` is what the trigram index answers; its threshold is set where connections are made.
-- Far weaker matches than the best one are noise: "urology" also resembles "cardiology".
with found as materialized (
    select d.id, word_similarity($2, d.search_text) as score, strict_word_similarity($2, d.search_text) as strict
    from doctors d
    join accounts a on a.id = d.id and a.is_active
    where d.search_text %> $2 and d.is_verified
)
select d.id, d.full_name, d.slug, d.speciality_category, d.rating as "rating!", d.years_experience,
       d.rate_per_minute, d.avatar_file, d.chat_enabled, d.call_enabled, d.is_featured,
       exists (select from favourites f where f.patient_id = $1 and f.doctor_id = d.id) as "is_favourite!"
from found
join doctors d on d.id = found.id
where found.score >= 0.6 * (select max(best.score) from found best)
order by found.score desc, found.strict desc, lower(d.full_name), d.id
limit $3 offset $4
