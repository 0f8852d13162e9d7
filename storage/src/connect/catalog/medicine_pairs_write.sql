-- Names that begin with the pair are found by the phase before. A pair holds no space: nobody types one at an end.
insert into medicine_pairs (pair, place, id)
select pair, place, id
from (
    select pair, id, row_number() over (partition by pair order by name_length, name_key, id) as place
    from (
        select distinct substr(name_key, at, 2) as pair, id, name_length, name_key
        from medicines, generate_series(2, name_length - 1) as at
    ) as each
    where pair !~ '\s' and pair <> left(name_key, 2)
) as ranked
where place <= $1
