-- Answers the medicines whose texts were added or changed.
insert into medicine_texts as t (medicine_id, product_introduction, uses, how_it_works, safety_advice, source_url)
select l.id, l.product_introduction, array(select jsonb_array_elements_text(l.uses)), l.how_it_works, l.safety_advice,
       l.source_url
from unnest($1::uuid[], $2::text[], $3::jsonb[], $4::text[], $5::text[], $6::text[])
     as l(id, product_introduction, uses, how_it_works, safety_advice, source_url)
on conflict (medicine_id) do update
set product_introduction = excluded.product_introduction, uses = excluded.uses, how_it_works = excluded.how_it_works,
    safety_advice = excluded.safety_advice, source_url = excluded.source_url
where (t.product_introduction, t.uses, t.how_it_works, t.safety_advice, t.source_url)
      is distinct from (excluded.product_introduction, excluded.uses, excluded.how_it_works, excluded.safety_advice,
                        excluded.source_url)
returning medicine_id
