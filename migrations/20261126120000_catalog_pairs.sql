-- Two letters have no trigram: the first names that contain a pair, without those that begin with it, are found when a
-- catalogue is imported, as many as a search answers at most. In how many names a word stands is asked no more.
create table medicine_pairs (
    pair  text     not null collate "C",
    place smallint not null,
    -- Of the medicine.
    id    uuid     not null,
    constraint medicine_pairs_pkey primary key (pair, place),
    constraint medicine_pairs_medicine_fkey foreign key (id) references medicines (id) on delete cascade
);

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
where place <= 25;

alter table medicine_words drop column names;
alter table lab_test_words drop column names;
