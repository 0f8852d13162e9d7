-- Answers the rows that were added or changed.
insert into medicines as m (id, provider, name, name_key, name_length, form, composition, salt_key, words, created_at,
                            updated_at)
select l.id, l.provider, l.name, l.name_key, l.name_length, l.form, l.composition, l.salt_key,
       string_to_array(l.words, ' '), $10, $10
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::text[],
            $9::text[])
     as l(id, provider, name, name_key, name_length, form, composition, salt_key, words)
on conflict (id) do update
set name = excluded.name, form = excluded.form, composition = excluded.composition, salt_key = excluded.salt_key,
    words = excluded.words, updated_at = excluded.updated_at
where (m.name, m.form, m.composition) is distinct from (excluded.name, excluded.form, excluded.composition)
returning id, (xmax = 0) as "is_new!"
