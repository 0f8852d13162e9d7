-- Answers the medicines whose texts were added or changed.
insert into medicine_texts as t (medicine_id, product_introduction, uses, how_it_works, safety_advice, source_url)
select m.id, l.product_introduction, array(select jsonb_array_elements_text(l.uses)), l.how_it_works, l.safety_advice,
       l.source_url
from unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::text[], $6::text[], $7::text[])
     as l(provider, name_key, product_introduction, uses, how_it_works, safety_advice, source_url)
join medicines m on m.provider = l.provider and m.name_key = l.name_key collate "C"
on conflict (medicine_id) do update
set product_introduction = excluded.product_introduction, uses = excluded.uses, how_it_works = excluded.how_it_works,
    safety_advice = excluded.safety_advice, source_url = excluded.source_url
where (t.product_introduction, t.uses, t.how_it_works, t.safety_advice, t.source_url)
      is distinct from (excluded.product_introduction, excluded.uses, excluded.how_it_works, excluded.safety_advice,
                        excluded.source_url)
returning medicine_id
